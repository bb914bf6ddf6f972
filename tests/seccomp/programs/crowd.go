// COUNT connections at once, all of them open before the first is used. Usage: crowd ADDRESS COUNT
// Each sends a line and expects it back.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	var done, connected sync.WaitGroup
	var lock sync.Mutex
	outcomes := map[string]int{}
	done.Add(count)
	connected.Add(count)
	for i := 0; i < count; i++ {
		go func(number int) {
			defer done.Done()
			outcome := talk(number, &connected)
			lock.Lock()
			outcomes[outcome]++
			lock.Unlock()
		}(i)
	}
	done.Wait()
	fmt.Println(outcomes)
}

func talk(number int, connected *sync.WaitGroup) string {
	connection, err := net.Dial("tcp", os.Args[1])
	connected.Done()
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	connected.Wait()
	line := fmt.Sprintf("number %d\n", number)
	if _, err = connection.Write([]byte(line)); err != nil {
		return err.Error()
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	if answer != line {
		return "wrong answer"
	}
	return "ok"
}
