// Go's own net/http: /plaintext over HTTP/1.1 and HTTP/2, without and with TLS, and its client. Built from Debian's
// packages alone.
//
//	peer serve -port P [-tls-port P2 -tls-cert FILE -tls-key FILE]
//	peer fetch -url URL -many N -seconds S
//
// serve has HTTP/1.1 and h2c with prior knowledge on P, HTTP/1.1 and h2 on P2. fetch has N goroutines that GET the URL
// over connections that are kept, and prints `answers N cpu SECONDS` of what follows after the first second.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

const plain = "Hello, World!"

func plaintext(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, plain)
}

func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1, without TLS")
	tlsPort := flags.Int("tls-port", 0, "port on 127.0.0.1, with TLS; 0 for none")
	cert := flags.String("tls-cert", "", "certificate, PEM")
	key := flags.String("tls-key", "", "its private key, PEM")
	flags.Parse(args)

	routes := http.NewServeMux()
	routes.HandleFunc("/plaintext", plaintext)
	if *tlsPort != 0 {
		go func() { log.Fatal(http.ListenAndServeTLS(fmt.Sprintf("127.0.0.1:%d", *tlsPort), *cert, *key, routes)) }()
	}
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), h2c.NewHandler(routes, &http2.Server{})))
}

func get(client *http.Client, url string) {
	answer, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || string(body) != plain {
		log.Fatalf("%s: %s %q %v", url, answer.Status, body, err)
	}
}

func spent() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		log.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func fetch(args []string) {
	flags := flag.NewFlagSet("fetch", flag.ExitOnError)
	url := flags.String("url", "", "what to GET")
	many := flags.Int("many", 64, "how many at a time")
	seconds := flags.Int("seconds", 1, "for how long, after the first second")
	flags.Parse(args)

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *many}}
	var answers atomic.Int64
	var ended atomic.Bool
	var all sync.WaitGroup
	for i := 0; i < *many; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for !ended.Load() {
				get(client, *url)
				answers.Add(1)
			}
		}()
	}
	time.Sleep(time.Second)
	before, cpu := answers.Load(), spent()
	time.Sleep(time.Duration(*seconds) * time.Second)
	fmt.Printf("answers %d cpu %.6f\n", answers.Load()-before, (spent() - cpu).Seconds())
	ended.Store(true)
	all.Wait()
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: peer serve|fetch …")
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2:])
	case "fetch":
		fetch(os.Args[2:])
	default:
		log.Fatalf("peer: '%s' is neither serve nor fetch", os.Args[1])
	}
}
