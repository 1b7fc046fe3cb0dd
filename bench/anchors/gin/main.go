// The service of bench/server.c as one would write it with Gin, net/http and database/sql: the same routes, the same
// answers, recovery as the only middleware. Built from Debian's packages alone.
//
//	gin -port P [-db URL] [-redis URL] [-tls-port P2 -tls-cert FILE -tls-key FILE]
//
// The database is postgres://… (lib/pq), mysql://… (go-sql-driver) or a SQLite file, over 32 connections.
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
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/go-sql-driver/mysql"
	"github.com/gomodule/redigo/redis"
	_ "github.com/lib/pq"
	_ "github.com/mattn/go-sqlite3"
)

const (
	worlds      = 10000
	connections = 32
)

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

// driverOf tells the driver of a database, how it is to be told where, and how it writes its first parameter.
func driverOf(where string) (driver, source, first string) {
	switch {
	case strings.HasPrefix(where, "postgres://"):
		return "postgres", where, "$1"
	case strings.HasPrefix(where, "mysql://"):
		u, err := url.Parse(where)
		if err != nil {
			log.Fatal(err)
		}
		secret, _ := u.User.Password()
		return "mysql", fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), secret, u.Host, u.Path), "?"
	}
	return "sqlite3", fmt.Sprintf("file:%s?_journal_mode=WAL", where), "?"
}

func addDatabase(r *gin.Engine, where string) {
	driver, source, first := driverOf(where)
	db, err := sql.Open(driver, source)
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	one, err := db.Prepare("SELECT id, randomnumber FROM world WHERE id = " + first)
	if err != nil {
		log.Fatal(err)
	}
	d := &database{db, one}
	r.GET("/db", d.get)
	r.GET("/queries", d.queries)
	r.GET("/rows", d.rows)
	r.GET("/write", d.write)
}

// write is what a database in recovery refuses: the table is there, and no row is changed.
func (d *database) write(c *gin.Context) {
	if _, err := d.db.ExecContext(c.Request.Context(), "UPDATE world SET randomnumber = 1 WHERE id = 0"); err != nil {
		failed(c, err)
		return
	}
	c.String(http.StatusOK, "written\n")
}

func addRedis(r *gin.Engine, where string) {
	pool := &redis.Pool{MaxIdle: connections, MaxActive: connections, Wait: true,
		Dial: func() (redis.Conn, error) { return redis.DialURL(where) }}
	ask := func(c *gin.Context, command string, words ...interface{}) {
		connection := pool.Get()
		defer connection.Close()
		value, err := redis.String(connection.Do(command, words...))
		switch {
		case err == redis.ErrNil:
			c.Status(http.StatusNotFound)
		case err != nil:
			failed(c, err)
		default:
			c.String(http.StatusOK, value)
		}
	}
	r.GET("/redis/:key", func(c *gin.Context) { ask(c, "GET", c.Param("key")) })
	r.GET("/redis-write", func(c *gin.Context) { ask(c, "SET", "written", "1") })
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	where := flag.String("db", "", "postgres://…, mysql://… or a SQLite file; empty for no database routes")
	redisAt := flag.String("redis", "", "redis://…; empty for no route of it")
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
	if *where != "" {
		addDatabase(r, *where)
	}
	if *redisAt != "" {
		addRedis(r, *redisAt)
	}
	if *tlsPort != 0 {
		r.UseH2C = true
		go func() { log.Fatal(r.RunTLS(fmt.Sprintf("127.0.0.1:%d", *tlsPort), *cert, *key)) }()
	}
	log.Fatal(r.Run(fmt.Sprintf("127.0.0.1:%d", *port)))
}
