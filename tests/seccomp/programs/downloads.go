// 300 downloads at once, each on a connection of its own. Usage: downloads URL
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

func main() {
	var group sync.WaitGroup
	var lock sync.Mutex
	outcomes := map[string]int{}
	for i := 0; i < 300; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			outcome := fetch(os.Args[1])
			lock.Lock()
			outcomes[outcome]++
			lock.Unlock()
		}()
	}
	group.Wait()
	fmt.Println(outcomes)
}

func fetch(url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	digest := sha256.New()
	if _, err = io.Copy(digest, response.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %x", response.Status, digest.Sum(nil))
}
