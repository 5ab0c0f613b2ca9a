//go:build ignore

// A golang/groupcache process for the bench, over Debian's package of it.
//
//	groupcache -keys 10000 -bytes 64
//	groupcache -keys 10000 -bytes 64 -ask http://127.0.0.1:8001 [-connections 64]
//
// The first form has all keys in memory and serves them; it prints its origin. The
// second asks that process. Each line of its input is a command, "IN-FLIGHT
// MILLISECONDS"; the answer is how many values came, and in how many microseconds.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache"
	pb "github.com/golang/groupcache/groupcachepb"
)

const groupName = "bench"

func keyOf(i int) string {
	return fmt.Sprintf("user:%d", i)
}

func serve(keys, bytes int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	self := "http://" + listener.Addr().String()
	pool := groupcache.NewHTTPPoolOpts(self, nil)
	pool.Set(self)
	warm := false
	group := groupcache.NewGroup(groupName, 256<<20, groupcache.GetterFunc(
		func(_ context.Context, key string, dest groupcache.Sink) error {
			if warm {
				return fmt.Errorf("%s was not in memory", key)
			}
			return dest.SetString(key + strings.Repeat(".", bytes-len(key)))
		}))
	for i := 0; i < keys; i++ {
		var value []byte
		err := group.Get(context.Background(), keyOf(i), groupcache.AllocatingByteSliceSink(&value))
		if err != nil {
			log.Fatal(err)
		}
	}
	warm = true
	go func() { log.Fatal(http.Serve(listener, pool)) }()
	fmt.Println(self)
	io.Copy(io.Discard, os.Stdin)
}

// ask asks the peer itself, as a group does for a key that is in no copy here: a
// group would keep one value in ten.
func ask(pool *groupcache.HTTPPool, keys []string, bytes, inFlight int, span time.Duration) (int, time.Duration) {
	group := groupName
	answered := make([]int, inFlight)
	begin := time.Now()
	end := begin.Add(span)
	var all sync.WaitGroup
	for w := 0; w < inFlight; w++ {
		all.Add(1)
		go func(w int) {
			defer all.Done()
			for next := w; time.Now().Before(end); {
				peer, ok := pool.PickPeer(keys[next])
				if !ok {
					log.Fatal("no peer owns ", keys[next])
				}
				var out pb.GetResponse
				err := peer.Get(context.Background(), &pb.GetRequest{Group: &group, Key: &keys[next]}, &out)
				if err != nil {
					log.Fatal(err)
				}
				if len(out.Value) != bytes {
					log.Fatalf("%d bytes came, not %d", len(out.Value), bytes)
				}
				answered[w]++
				next += inFlight
				if next >= len(keys) {
					next = w
				}
			}
		}(w)
	}
	all.Wait()
	sum := 0
	for _, n := range answered {
		sum += n
	}
	return sum, time.Since(begin)
}

func main() {
	count := flag.Int("keys", 10000, "how many keys there are")
	bytes := flag.Int("bytes", 64, "how long each value is")
	origin := flag.String("ask", "", "the process to ask; without it, this one serves")
	connections := flag.Int("connections", 0, "how many idle connections to keep; 0: what net/http keeps, 2")
	flag.Parse()
	if *origin == "" {
		serve(*count, *bytes)
		return
	}
	pool := groupcache.NewHTTPPoolOpts("http://asker.invalid", nil)
	if *connections > 0 {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = *connections
		pool.Transport = func(context.Context) http.RoundTripper { return transport }
	}
	// Set takes the transport along.
	pool.Set(*origin)
	keys := make([]string, *count)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	fmt.Println("ready")
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		var inFlight, ms int
		if _, err := fmt.Sscan(commands.Text(), &inFlight, &ms); err != nil {
			log.Fatal(err)
		}
		answered, took := ask(pool, keys, *bytes, inFlight, time.Duration(ms)*time.Millisecond)
		fmt.Println(answered, took.Microseconds())
	}
}
