// Redis by redigo, without HTTP: goroutines that GET over a pool of as many connections. Built from Debian's packages
// alone.
//
//	redigo -url URL -many GOROUTINES -seconds S
//
// Prints `answers N cpu SECONDS`, the time of this process, of what follows after the first second.
package main

import (
	"flag"
	"fmt"
	"log"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

func spent() float64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		log.Fatal(err)
	}
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9
}

func main() {
	url := flag.String("url", "", "redis://…")
	many := flag.Int("many", 64, "goroutines")
	seconds := flag.Int("seconds", 1, "to be measured")
	flag.Parse()

	pool := &redis.Pool{MaxIdle: *many, MaxActive: *many, Wait: true,
		Dial: func() (redis.Conn, error) { return redis.DialURL(*url) }}
	var answers int64
	for i := 0; i < *many; i++ {
		go func() {
			for {
				connection := pool.Get()
				if value, err := redis.String(connection.Do("GET", "key")); err != nil || value != "value" {
					log.Fatal("redigo: ", value, err)
				}
				connection.Close()
				atomic.AddInt64(&answers, 1)
			}
		}()
	}
	time.Sleep(time.Second)
	before, cpu := atomic.LoadInt64(&answers), spent()
	time.Sleep(time.Duration(*seconds) * time.Second)
	fmt.Printf("answers %d cpu %.6f\n", atomic.LoadInt64(&answers)-before, spent()-cpu)
}
