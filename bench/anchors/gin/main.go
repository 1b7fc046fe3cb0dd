// The service of bench/server.c as one would write it with Gin, net/http and database/sql: the same routes, the same
// answers, recovery as the only middleware. Built from Debian's packages alone.
//
//	gin -port P [-db FILE] [-tls-port P2 -tls-cert FILE -tls-key FILE]
//
// With a port for TLS there is h2 beside HTTP/1.1 on it, and h2c with prior knowledge on P.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/mattn/go-sqlite3"
)

const worlds = 10000

type user struct {
	ID    string `json:"id"`
	Name  string `json:"name" binding:"required,max=64"`
	Email string `json:"email" binding:"required,email"`
}

type message struct {
	Message string `json:"message"`
}

type world struct {
	ID           int64 `json:"id"`
	RandomNumber int64 `json:"randomNumber"`
}

func failed(c *gin.Context, err error) {
	c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
}

func plaintext(c *gin.Context) { c.String(http.StatusOK, "Hello, World!") }

func hello(c *gin.Context) { c.JSON(http.StatusOK, message{"Hello, World!"}) }

func getUser(c *gin.Context) {
	c.JSON(http.StatusOK, user{c.Param("id"), "Ada Lovelace", "ada@example.com"})
}

func echo(c *gin.Context) {
	var u user
	if err := c.ShouldBindJSON(&u); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	c.JSON(http.StatusOK, u)
}

func sleep(c *gin.Context) {
	ms, err := strconv.Atoi(c.DefaultQuery("ms", "10"))
	if err != nil || ms < 0 || ms > 60000 {
		c.JSON(http.StatusBadRequest, gin.H{"error": "ms must be 0 to 60000"})
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		c.String(http.StatusOK, "slept\n")
	case <-c.Request.Context().Done():
	}
}

type database struct {
	db  *sql.DB
	one *sql.Stmt
}

func (d *database) random(ctx context.Context) (w world, err error) {
	err = d.one.QueryRowContext(ctx, rand.Intn(worlds)+1).Scan(&w.ID, &w.RandomNumber)
	return
}

func (d *database) get(c *gin.Context) {
	w, err := d.random(c.Request.Context())
	if err != nil {
		failed(c, err)
		return
	}
	c.JSON(http.StatusOK, w)
}

func (d *database) queries(c *gin.Context) {
	n, err := strconv.Atoi(c.DefaultQuery("n", "1"))
	if err != nil || n < 1 {
		n = 1
	} else if n > 500 {
		n = 500
	}
	ws := make([]world, n)
	for i := range ws {
		if ws[i], err = d.random(c.Request.Context()); err != nil {
			failed(c, err)
			return
		}
	}
	c.JSON(http.StatusOK, ws)
}

func (d *database) rows(c *gin.Context) {
	rows, err := d.db.QueryContext(c.Request.Context(), "SELECT id, randomnumber FROM world")
	if err != nil {
		failed(c, err)
		return
	}
	defer rows.Close()
	ws := []world{}
	for rows.Next() {
		var w world
		if err := rows.Scan(&w.ID, &w.RandomNumber); err != nil {
			failed(c, err)
			return
		}
		ws = append(ws, w)
	}
	if err := rows.Err(); err != nil {
		failed(c, err)
		return
	}
	c.JSON(http.StatusOK, ws)
}

func addDatabase(r *gin.Engine, file string) {
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?_journal_mode=WAL", file))
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	one, err := db.Prepare("SELECT id, randomnumber FROM world WHERE id = ?")
	if err != nil {
		log.Fatal(err)
	}
	d := &database{db, one}
	r.GET("/db", d.get)
	r.GET("/queries", d.queries)
	r.GET("/rows", d.rows)
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	file := flag.String("db", "", "SQLite file; empty for no database routes")
	tlsPort := flag.Int("tls-port", 0, "port on 127.0.0.1 with TLS; 0 for none")
	cert := flag.String("tls-cert", "", "certificate, PEM")
	key := flag.String("tls-key", "", "its private key, PEM")
	flag.Parse()

	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	r.GET("/plaintext", plaintext)
	r.GET("/json", hello)
	r.GET("/users/:id", getUser)
	r.POST("/echo", echo)
	r.GET("/sleep", sleep)
	if *file != "" {
		addDatabase(r, *file)
	}
	if *tlsPort != 0 {
		r.UseH2C = true
		go func() { log.Fatal(r.RunTLS(fmt.Sprintf("127.0.0.1:%d", *tlsPort), *cert, *key)) }()
	}
	log.Fatal(r.Run(fmt.Sprintf("127.0.0.1:%d", *port)))
}
