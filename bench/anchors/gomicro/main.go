// Small operations of Go, one number each: the names that bench/micro has too, where Go has the same thing, measured
// the same way: batches of about two milliseconds for a third of a second, the fastest batch counts.
//
//	gomicro ROUTES [NAME…]
//
// ROUTES is src/web/github_routes.h, the table of routes that both programs use. Built from Debian's packages alone.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
)

const (
	batch = 2 * time.Millisecond
	total = 300 * time.Millisecond
)

// operation does something n times.
type operation func(n int)

func timeOf(run operation, n int) time.Duration {
	begin := time.Now()
	run(n)
	return time.Since(begin)
}

// bestNs is nanoseconds of one in the fastest batch.
func bestNs(run operation) float64 {
	n := 1
	for timeOf(run, n) < batch {
		n *= 2
	}
	best, spent := time.Hour, time.Duration(0)
	for spent < total {
		t := timeOf(run, n)
		spent += t
		if t < best {
			best = t
		}
	}
	return float64(best.Nanoseconds()) / float64(n)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gomicro:", err)
		os.Exit(1)
	}
}

// A goroutine that ends at once, and waiting for it. A channel costs less here than a WaitGroup.
func spawnJoin() float64 {
	done := make(chan struct{}, 1)
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			go func() { done <- struct{}{} }()
			<-done
		}
	})
}

func pingPong() float64 {
	ping, pong := make(chan int64), make(chan int64)
	go func() {
		for ball := range ping {
			pong <- ball
		}
	}()
	defer close(ping)
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			ping <- 1
			<-pong
		}
	})
}

func chanBuffered() float64 {
	ch := make(chan int64, 128)
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			ch <- 1
			<-ch
		}
	})
}

func ctxTimeout() float64 {
	above, cancel := context.WithCancel(context.Background())
	defer cancel()
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			_, end := context.WithTimeout(above, time.Second)
			end()
		}
	})
}

// A database driver whose connections do nothing.
type nothing struct{}

func (nothing) Open(string) (driver.Conn, error)    { return nothing{}, nil }
func (nothing) Prepare(string) (driver.Stmt, error) { return nil, errors.New("nothing") }
func (nothing) Begin() (driver.Tx, error)           { return nil, errors.New("nothing") }
func (nothing) Close() error                        { return nil }

func poolAcquire() float64 {
	sql.Register("nothing", nothing{})
	db, err := sql.Open("nothing", "")
	must(err)
	defer db.Close()
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			conn, err := db.Conn(ctx)
			must(err)
			must(conn.Close())
		}
	})
}

// A response that goes nowhere.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

var routes string

func route() float64 {
	text, err := os.ReadFile(routes)
	must(err)
	entry := regexp.MustCompile(`\{"([A-Z]+)",\s*"([^"]+)",\s*"([^"]+)"\}`)
	engine, found := gin.New(), 0
	var requests []*http.Request
	for _, m := range entry.FindAllStringSubmatch(string(text), -1) {
		engine.Handle(m[1], m[2], func(*gin.Context) { found++ })
		r, err := http.NewRequest(m[1], m[3], nil)
		must(err)
		requests = append(requests, r)
	}
	w := discard{http.Header{}}
	for _, r := range requests {
		engine.ServeHTTP(w, r)
	}
	if len(requests) != 203 || found != 203 {
		must(fmt.Errorf("%s: %d of %d routes were found, expected 203", routes, found, len(requests)))
	}
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			for _, r := range requests {
				engine.ServeHTTP(w, r)
			}
		}
	}) / float64(len(requests))
}

type user struct {
	ID    string `json:"id"`
	Name  string `json:"name" binding:"required,max=64"`
	Email string `json:"email" binding:"required,email"`
}

func jsonDecodeSmall() float64 {
	text := []byte(`{"id":"42","name":"Ada Lovelace","email":"ada@example.com"}`)
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			var u user
			must(binding.JSON.BindBody(text, &u))
		}
	})
}

func jsonEncodeSmall() float64 {
	u := user{"42", "Ada Lovelace", "ada@example.com"}
	return bestNs(func(n int) {
		for i := 0; i < n; i++ {
			_, err := json.Marshal(&u)
			must(err)
		}
	})
}

func main() {
	if len(os.Args) < 2 {
		must(errors.New("usage: gomicro ROUTES [NAME…]"))
	}
	routes = os.Args[1]
	chosen := map[string]bool{}
	for _, name := range os.Args[2:] {
		chosen[name] = true
	}
	runtime.GOMAXPROCS(1)
	gin.SetMode(gin.ReleaseMode)
	for _, b := range []struct {
		name    string
		measure func() float64
	}{
		{"spawn_join", spawnJoin},
		{"ping_pong", pingPong},
		{"chan_buffered", chanBuffered},
		{"ctx_timeout", ctxTimeout},
		{"pool_acquire", poolAcquire},
		{"route", route},
		{"json_decode_small", jsonDecodeSmall},
		{"json_encode_small", jsonEncodeSmall},
	} {
		if len(chosen) == 0 || chosen[b.name] {
			fmt.Printf("%s %.1f ns\n", b.name, b.measure())
		}
	}
}
