// Posts a file without a promise to wait for an answer, and prints the status that came.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	file, err := os.Open(os.Args[2])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	info, _ := file.Stat()
	request, _ := http.NewRequest("POST", os.Args[1], file)
	request.ContentLength = info.Size()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	io.Copy(io.Discard, answer.Body)
	fmt.Print(answer.StatusCode)
}
