//go:build ignore

// A golang/groupcache node for the interop run, over Debian's package of it.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o groupcache groupcache.go
//	groupcache -self http://127.0.0.1:8001 -peers URL,URL,URL [-mux]
//
// Besides the peers' path it has paths for the run: /get asks the whole ring for a
// key, /loads tells what was loaded here, /owner tells the owner of a key.
package main

import (
	"context"
	"encoding/json"
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
	"github.com/golang/groupcache/consistenthash"
)

const (
	basePath  = "/_groupcache/"
	groupName = "interop"
	replicas  = 50
)

// A source is the slow source of the run. Its answers are the same in every node,
// except that an error names the node.
type source struct {
	self string

	mu    sync.Mutex // guards loads
	loads map[string]int
}

func (s *source) load(_ context.Context, key string, dest groupcache.Sink) error {
	s.mu.Lock()
	s.loads[key]++
	s.mu.Unlock()
	kind, _, _ := strings.Cut(key, ":")
	switch kind {
	case "fail":
		return fmt.Errorf("%s cannot load %s", s.self, key)
	case "empty":
		return dest.SetBytes([]byte{})
	case "bytes":
		value := make([]byte, 1<<20)
		for i := range value {
			value[i] = byte(i)
		}
		return dest.SetBytes(value)
	case "slow":
		time.Sleep(300 * time.Millisecond)
	}
	return dest.SetString(key + "|from the slow source")
}

func (s *source) tell(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.loads)
}

// asked is the key that the run asks for: a POST has it in its body, since a URL may
// not carry it.
func asked(r *http.Request) string {
	if r.Method != http.MethodPost {
		return r.URL.Query().Get("key")
	}
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

func main() {
	self := flag.String("self", "", "this node's origin")
	peers := flag.String("peers", "", "the origins of all nodes")
	mux := flag.Bool("mux", false, "serve the pool through http.ServeMux, as NewHTTPPool does")
	flag.Parse()

	nodes := strings.Split(*peers, ",")
	s := &source{self: *self, loads: make(map[string]int)}
	doors := http.NewServeMux()
	var pool *groupcache.HTTPPool
	var handler http.Handler
	if *mux {
		// NewHTTPPool registers the pool with the default ServeMux.
		pool = groupcache.NewHTTPPool(*self)
		doors = http.DefaultServeMux
		handler = doors
	} else {
		pool = groupcache.NewHTTPPoolOpts(*self, nil)
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, basePath) {
				pool.ServeHTTP(w, r)
			} else {
				doors.ServeHTTP(w, r)
			}
		})
	}
	pool.Set(nodes...)
	g := groupcache.NewGroup(groupName, 256<<20, groupcache.GetterFunc(s.load))

	// The pool does not tell who owns a key: this is the ring that it makes.
	ring := consistenthash.New(replicas, nil)
	ring.Add(nodes...)

	doors.HandleFunc("/loads", s.tell)
	doors.HandleFunc("/owner", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, ring.Get(asked(r)))
	})
	doors.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		var value []byte
		err := g.Get(r.Context(), asked(r), groupcache.AllocatingByteSliceSink(&value))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(value)
	})

	listener, err := net.Listen("tcp", strings.TrimPrefix(*self, "http://"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("running at", *self)
	// The run holds the other end, so this process ends when the run ends.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, handler))
}
