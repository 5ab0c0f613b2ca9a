//go:build ignore

// A GeeCache node for the interop run: the cache that GeeCache's tutorial builds in
// seven days, written anew from docs/PROTOCOL.md with the standard library only. It
// leaves out what no other process can see (there is no LRU: nothing is evicted).
//
//	go build -o geecache geecache.go
//	geecache -self http://127.0.0.1:8001 -peers URL,URL,URL [-protobuf]
//
// Besides the peers' path it has paths for the run: /get asks the whole ring for a
// key, /loads tells what was loaded here, /owner tells the owner of a key.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	basePath  = "/_geecache/"
	groupName = "interop"
	replicas  = 50
)

// A ring places each node at 50 points and gives a key to the first point at or
// after its own hash.
type ring struct {
	points []uint32
	nodes  map[uint32]string
}

func newRing(nodes []string) *ring {
	r := &ring{nodes: make(map[uint32]string)}
	for _, node := range nodes {
		for i := 0; i < replicas; i++ {
			point := crc32.ChecksumIEEE([]byte(strconv.Itoa(i) + node))
			r.points = append(r.points, point)
			r.nodes[point] = node
		}
	}
	sort.Slice(r.points, func(i, j int) bool { return r.points[i] < r.points[j] })
	return r
}

func (r *ring) owner(key string) string {
	hash := crc32.ChecksumIEEE([]byte(key))
	at := sort.Search(len(r.points), func(i int) bool { return r.points[i] >= hash })
	return r.nodes[r.points[at%len(r.points)]]
}

// A flight is one load that several callers wait for.
type flight struct {
	landed chan struct{}
	value  []byte
	err    error
}

// A group answers from memory, from a key's owner, or from the getter.
type group struct {
	getter func(key string) ([]byte, error)
	pool   *pool

	mu      sync.Mutex // guards memory and flights
	memory  map[string][]byte
	flights map[string]*flight
}

func (g *group) get(key string) ([]byte, error) {
	if key == "" {
		return nil, errors.New("key is required")
	}
	// Memory and flights are under one lock: otherwise a load that ends between the
	// two checks would run again.
	g.mu.Lock()
	if value, ok := g.memory[key]; ok {
		g.mu.Unlock()
		return value, nil
	}
	if f, ok := g.flights[key]; ok {
		g.mu.Unlock()
		<-f.landed
		return f.value, f.err
	}
	f := &flight{landed: make(chan struct{})}
	g.flights[key] = f
	g.mu.Unlock()

	var keep bool
	f.value, keep, f.err = g.load(key)
	g.mu.Lock()
	if keep {
		g.memory[key] = f.value
	}
	delete(g.flights, key)
	g.mu.Unlock()
	close(f.landed)
	return f.value, f.err
}

// load asks the owner and, whatever goes wrong there, runs the getter here. Only a
// value from the getter is kept.
func (g *group) load(key string) (value []byte, keep bool, err error) {
	if owner := g.pool.ring.owner(key); owner != g.pool.self {
		if value, err = g.pool.ask(owner, groupName, key); err == nil {
			return value, false, nil
		}
	}
	value, err = g.getter(key)
	return value, err == nil, err
}

// A pool is this node among its peers.
type pool struct {
	self     string
	ring     *ring
	groups   map[string]*group
	protobuf bool
}

// ServeHTTP answers a peer.
func (p *pool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, key, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, basePath), "/")
	if !ok {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	g := p.groups[name]
	if g == nil {
		http.Error(w, "no such group: "+name, http.StatusNotFound)
		return
	}
	value, err := g.get(key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if p.protobuf {
		value = encodeResponse(value)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(value)
}

// ask asks a peer as GeeCache does: any status but 200 is an error, and a
// redirect is followed.
func (p *pool) ask(node, name, key string) ([]byte, error) {
	res, err := http.Get(node + basePath + url.QueryEscape(name) + "/" + url.QueryEscape(key))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", node, res.Status)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || !p.protobuf {
		return body, err
	}
	return decodeResponse(body)
}

// encodeResponse is proto3's encoding of the message with `bytes value = 1`,
// which leaves out an empty value.
func encodeResponse(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	length := make([]byte, binary.MaxVarintLen64)
	length = length[:binary.PutUvarint(length, uint64(len(value)))]
	return append(append([]byte{1<<3 | 2}, length...), value...)
}

var errMalformed = errors.New("malformed protobuf message")

// decodeResponse reads that message: unknown fields are skipped, the last value
// counts.
func decodeResponse(body []byte) ([]byte, error) {
	value := []byte{}
	for len(body) > 0 {
		tag, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, errMalformed
		}
		body = body[n:]
		size := uint64(0)
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(body); n <= 0 {
				return nil, errMalformed
			}
			size = uint64(n)
		case 1:
			size = 8
		case 2:
			if size, n = binary.Uvarint(body); n <= 0 {
				return nil, errMalformed
			}
			body = body[n:]
		case 5:
			size = 4
		default:
			return nil, errMalformed
		}
		if size > uint64(len(body)) {
			return nil, errMalformed
		}
		if tag == 1<<3|2 {
			value = body[:size]
		}
		body = body[size:]
	}
	return value, nil
}

// A source is the slow source of the run. Its answers are the same in every node,
// except that an error names the node.
type source struct {
	self string

	mu    sync.Mutex // guards loads
	loads map[string]int
}

func (s *source) load(key string) ([]byte, error) {
	s.mu.Lock()
	s.loads[key]++
	s.mu.Unlock()
	kind, _, _ := strings.Cut(key, ":")
	switch kind {
	case "fail":
		return nil, fmt.Errorf("%s cannot load %s", s.self, key)
	case "empty":
		return []byte{}, nil
	case "bytes":
		value := make([]byte, 1<<20)
		for i := range value {
			value[i] = byte(i)
		}
		return value, nil
	case "slow":
		time.Sleep(300 * time.Millisecond)
	}
	return []byte(key + "|from the slow source"), nil
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
	protobuf := flag.Bool("protobuf", false, "wrap values as GeeCache's seventh day does")
	flag.Parse()

	s := &source{self: *self, loads: make(map[string]int)}
	p := &pool{
		self:     *self,
		ring:     newRing(strings.Split(*peers, ",")),
		groups:   make(map[string]*group),
		protobuf: *protobuf,
	}
	g := &group{
		getter:  s.load,
		pool:    p,
		memory:  make(map[string][]byte),
		flights: make(map[string]*flight),
	}
	p.groups[groupName] = g

	doors := http.NewServeMux()
	doors.HandleFunc("/loads", s.tell)
	doors.HandleFunc("/owner", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, p.ring.owner(asked(r)))
	})
	doors.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		value, err := g.get(asked(r))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(value)
	})
	// GeeCache serves its pool without a ServeMux, which would redirect keys with
	// two slashes or with dots.
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, basePath) {
			p.ServeHTTP(w, r)
		} else {
			doors.ServeHTTP(w, r)
		}
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
