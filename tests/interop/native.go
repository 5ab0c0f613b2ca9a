//go:build ignore

// A peer in protocol native for the interop run, written from docs/PROTOCOL.md with
// the standard library only. It answers GETs, removes and links, and it asks over links
// of its own.
//
//	GO111MODULE=off go build -o native native.go
//	native -self http://127.0.0.1:8001 -peers URL,URL
//
// Besides the peers' path it has paths for the run: /get asks the whole ring for a
// key, /loads tells what was loaded here, /links tells of links, /drain drains it, and
// /trial?key=URL holds that peer's links to the paper.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"log"
	"math"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	basePath  = "/_geecache/"
	groupName = "mixed"

	maxKey   = 16384
	maxAsk   = maxKey + 4
	maxValue = 262144
	maxTell  = maxValue + 12
)

// The kinds of an asker's frames.
const (
	askGroup byte = iota + 1
	askGet
	askPeek
	askCancel
	askPing
	askList
)

// The kinds of a server's frames.
const (
	tellValue byte = iota + 1
	tellExpiring
	tellNone
	tellFailed
	tellBadKey
	tellBusy
	tellNoGroup
	tellDraining
	tellAlone
	tellPong
	tellClosing

	hot = 128
)

// A frame is what travels on a link.
type frame struct {
	kind byte
	id   uint32
	rest []byte
}

func (f frame) bytes() []byte {
	head := make([]byte, 9, 9+len(f.rest))
	binary.BigEndian.PutUint32(head, uint32(len(f.rest)))
	head[4] = f.kind
	binary.BigEndian.PutUint32(head[5:], f.id)
	return append(head, f.rest...)
}

var errLong = errors.New("a frame is too long")

// readFrame gives io.EOF only where a stream may end.
func readFrame(r io.Reader, max uint32) (frame, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return frame{}, err
	}
	length := binary.BigEndian.Uint32(head)
	if length > max {
		return frame{}, errLong
	}
	f := frame{head[4], binary.BigEndian.Uint32(head[5:]), make([]byte, length)}
	if _, err := io.ReadFull(r, f.rest); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	return f, nil
}

// question is what follows the head of a get or a peek.
func question(group, served uint16, key string) []byte {
	rest := make([]byte, 4, 4+len(key))
	binary.BigEndian.PutUint16(rest, group)
	binary.BigEndian.PutUint16(rest[2:], served)
	return append(rest, key...)
}

// encode is JavaScript's encodeURIComponent.
func encode(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-_.!~*'()", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// markOf is the mark of what stands behind the base path.
func markOf(target string) string {
	h := fnv.New32a()
	io.WriteString(h, target)
	return fmt.Sprintf("%08x%08x", crc32.ChecksumIEEE([]byte(target)), h.Sum32())
}

// A ring gives a key to the node that draws the highest number.
type ring struct {
	nodes []string
	seeds []uint32
}

func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

func newRing(nodes []string) *ring {
	r := &ring{nodes: append([]string{}, nodes...)}
	// Origins are ASCII, whose order by bytes is that by UTF-16 code units.
	sort.Strings(r.nodes)
	taken := make(map[uint32]bool)
	for _, node := range r.nodes {
		seed := mix(crc32.ChecksumIEEE([]byte(node)))
		for taken[seed] {
			seed = mix(seed + 1)
		}
		taken[seed] = true
		r.seeds = append(r.seeds, seed)
	}
	return r
}

func (r *ring) owner(key string) string {
	hash := crc32.ChecksumIEEE([]byte(key))
	best, owner := uint32(0), r.nodes[0]
	for i, seed := range r.seeds {
		if drawn := mix(hash ^ seed); drawn > best {
			best, owner = drawn, r.nodes[i]
		}
	}
	return owner
}

func (r *ring) fingerprint() string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(strings.Join(r.nodes, "\n"))))
}

// A value that expires has a time at which it does.
type value struct {
	bytes   []byte
	expires time.Time
}

func (v value) left() time.Duration { return time.Until(v.expires) }

var errNone = errors.New("no such key")

// A flight is one load that several callers wait for.
type flight struct {
	landed chan struct{}
	value  value
	err    error
}

// A group is this node's part of one.
type group struct {
	self string

	mu      sync.Mutex // guards what follows
	memory  map[string]value
	flights map[string]*flight
	loads   map[string]int
}

// peek answers from memory.
func (g *group) peek(key string) (value, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, ok := g.memory[key]
	if ok && !v.expires.IsZero() && v.left() <= 0 {
		delete(g.memory, key)
		ok = false
	}
	return v, ok
}

// join begins a load, or joins the one that is under way.
func (g *group) join(key string) *flight {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.flights[key]; ok {
		return f
	}
	f := &flight{landed: make(chan struct{})}
	g.flights[key] = f
	g.loads[key]++
	go func() {
		v, err := g.load(key)
		g.mu.Lock()
		f.value, f.err = v, err
		if g.flights[key] == f {
			delete(g.flights, key)
			if err == nil {
				g.memory[key] = v
			}
		}
		g.mu.Unlock()
		close(f.landed)
	}()
	return f
}

// load is the getter.
func (g *group) load(key string) (v value, err error) {
	kind, _, _ := strings.Cut(key, ":")
	v.bytes = []byte(valueOf(key))
	switch kind {
	case "fail":
		return v, errors.New("cannot load " + key)
	case "none":
		return v, errNone
	case "slow":
		time.Sleep(300 * time.Millisecond)
	case "long":
		time.Sleep(2500 * time.Millisecond)
	case "brief":
		v.expires = time.Now().Add(time.Minute)
	case "bytes":
		v.bytes = make([]byte, 1<<20)
		for i := range v.bytes {
			v.bytes[i] = byte(i)
		}
	}
	return v, nil
}

func (g *group) remove(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.memory, key)
	delete(g.flights, key)
}

func (g *group) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.memory = make(map[string]value)
	g.flights = make(map[string]*flight)
}

// A node is this process among its peers.
type node struct {
	self  string
	ring  *ring
	group *group
	epoch string

	mu       sync.Mutex // guards what follows
	served   map[*served]bool
	draining bool
	links    int            // those of others that were opened here
	over     map[string]int // how they ended
	cancels  int
	peeks    int
	askers   map[string]*asker
}

// answer writes an answer of ours.
func (n *node) answer(w http.ResponseWriter, status int, result, target, body string) {
	h := w.Header()
	h.Set("Geecache-Result", result)
	h.Set("Geecache-Target", markOf(target))
	h.Set("Geecache-Link", "1")
	h.Set("Cache-Control", "no-store")
	if n.isDraining() {
		h.Set("Geecache-Draining", "1")
	}
	if status >= 400 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		body += "\n"
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		io.WriteString(w, body)
	}
}

func (n *node) isDraining() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.draining
}

// ServeHTTP answers a peer.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, key, inPath := strings.Cut(strings.TrimPrefix(r.URL.Path, basePath), "/")
	query := r.URL.Query()
	clears := !inPath && query.Has("clear")
	target := encode(name)
	switch {
	case inPath:
		target += "/" + encode(key)
	case clears && query.Get("clear") == "copies":
		target += "?clear=copies"
	case clears:
		target += "?clear"
	case query.Has("key"):
		key, inPath = query.Get("key"), true
		target += "/" + encode(key)
	}
	if given := r.Header.Get("Geecache-Target"); given != "" && given != markOf(target) {
		n.answer(w, 400, "bad-request", target, "the path was changed on the way")
		return
	}
	isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !isRead && r.Header.Get("Geecache-Peer") == "" {
		n.answer(w, 403, "refused", target, "it is for peers")
		return
	}
	if r.Method == http.MethodPost && name == "" {
		if version := r.Header.Get("Geecache-Link"); version == "1" {
			n.link(w, r)
		} else if version != "" {
			n.answer(w, 400, "bad-request", target, "links have version 1 here")
		} else {
			n.answer(w, 404, "no-group", target, "no such group: ")
		}
		return
	}
	if name != groupName {
		n.answer(w, 404, "no-group", target, "no such group: "+name)
		return
	}
	switch {
	case isRead && inPath:
		n.get(w, r, target, key)
	case r.Method == http.MethodDelete && clears:
		n.group.clear()
		n.done(w, target)
	case r.Method == http.MethodDelete && inPath:
		n.group.remove(key)
		n.done(w, target)
	case r.Method == http.MethodPost:
		n.withBody(w, r, target)
	default:
		n.answer(w, 405, "bad-request", target, "it is not written here")
	}
}

func (n *node) done(w http.ResponseWriter, target string) {
	// Nothing is ever set here, so the newest write has no number.
	w.Header().Set("Geecache-Write", n.epoch+"-0")
	n.answer(w, 204, "done", target, "")
}

// withBody answers a POST of a group.
func (n *node) withBody(w http.ResponseWriter, r *http.Request, target string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	switch method := r.Header.Get("Geecache-Method"); {
	case err != nil:
		n.answer(w, 408, "bad-request", target, "the body did not arrive")
	case method == "":
		n.get(w, r, target, string(body))
	case method == "DELETE":
		for len(body) >= 4 {
			length := int(binary.BigEndian.Uint32(body))
			if length > len(body)-4 {
				break
			}
			n.group.remove(string(body[4 : 4+length]))
			body = body[4+length:]
		}
		n.done(w, target)
	default:
		n.answer(w, 405, "bad-request", target, "it is not written here")
	}
}

// get answers a question that is a request of its own.
func (n *node) get(w http.ResponseWriter, r *http.Request, target, key string) {
	if key == "" || !utf8.ValidString(key) {
		n.answer(w, 400, "bad-request", target, "that is no key")
		return
	}
	v, ok := n.group.peek(key)
	if !ok {
		if r.Header.Get("Geecache-Peek") != "" {
			n.answer(w, 404, "not-found", target, "not in memory")
			return
		}
		if n.isDraining() {
			n.answer(w, 503, "draining", target, "about to close")
			return
		}
		f := n.group.join(key)
		var patience <-chan time.Time
		if wait, err := strconv.Atoi(r.Header.Get("Geecache-Wait")); err == nil {
			patience = time.After(time.Duration(wait) * time.Millisecond)
		}
		select {
		case <-patience:
			n.answer(w, 202, "pending", target, "")
			return
		case <-f.landed:
		}
		if f.err == errNone {
			n.answer(w, 404, "not-found", target, "no such key")
			return
		}
		if f.err != nil {
			n.answer(w, 500, "failed", target, f.err.Error())
			return
		}
		v = f.value
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Geecache-Length", strconv.Itoa(len(v.bytes)))
	if !v.expires.IsZero() {
		h.Set("Geecache-Ttl", strconv.FormatInt(v.left().Milliseconds(), 10))
	}
	n.answer(w, 200, "value", target, string(v.bytes))
}

// A served link is one of a peer's.
type served struct {
	cut chan struct{}

	mu sync.Mutex // guards w
	w  http.ResponseWriter
}

func (s *served) tell(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.Write(f.bytes())
	s.w.(http.Flusher).Flush()
}

// link serves a link until it ends.
func (n *node) link(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	// Without this, Go's server waits for the end of the body before it answers.
	h.Set("Connection", "close")
	n.answer(w, 200, "link", "", "")
	s := &served{w: w, cut: make(chan struct{}, 1)}
	w.(http.Flusher).Flush()
	n.mu.Lock()
	n.served[s] = true
	n.links++
	n.mu.Unlock()

	heard := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- n.read(r.Body, s, heard) }()
	how := "silent"
wait:
	for {
		silence := time.NewTimer(30 * time.Second)
		select {
		case <-heard:
			silence.Stop()
		case err := <-ended:
			silence.Stop()
			if how = "in order"; err != nil {
				how = err.Error()
			}
			break wait
		case <-s.cut:
			silence.Stop()
			how = "cut"
			break wait
		case <-silence.C:
			break wait
		}
	}
	n.mu.Lock()
	delete(n.served, s)
	n.over[how]++
	n.mu.Unlock()
	// A load that ends later must not write to an answer that is over.
	s.mu.Lock()
	s.w = discard{}
	s.mu.Unlock()
	if how != "in order" {
		panic(http.ErrAbortHandler)
	}
}

// A discard is an answer that nobody reads.
type discard struct{ http.ResponseWriter }

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Flush()                      {}

// read takes the frames of an asker. It gives nil if they end in order.
func (n *node) read(body io.Reader, s *served, heard chan<- struct{}) error {
	var groups []string
	var mu sync.Mutex // guards unanswered
	unanswered := make(map[uint32]bool)
	for {
		f, err := readFrame(body, maxAsk)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		switch f.kind {
		case askPing:
			s.tell(frame{tellPong, f.id, nil})
		case askList:
		case askGroup:
			if int(f.id) > len(groups) {
				return errors.New("a group is named out of order")
			}
			if int(f.id) == len(groups) {
				groups = append(groups, "")
			}
			groups[f.id] = string(f.rest)
		case askCancel:
			// The load goes on, and is answered all the same.
			n.mu.Lock()
			n.cancels++
			n.mu.Unlock()
		case askGet, askPeek:
			if len(f.rest) < 4 {
				return errors.New("a question is cut short")
			}
			number := int(binary.BigEndian.Uint16(f.rest))
			if number >= len(groups) {
				return errors.New("a group was not named")
			}
			mu.Lock()
			isTwice := unanswered[f.id]
			unanswered[f.id] = true
			mu.Unlock()
			if isTwice {
				return errors.New("a question was asked twice")
			}
			key := string(f.rest[4:])
			n.question(f, groups[number], key, func(answer frame) {
				mu.Lock()
				delete(unanswered, f.id)
				mu.Unlock()
				s.tell(answer)
			})
		default:
			return errors.New("a frame is of no kind")
		}
	}
}

// question answers a get or a peek, once.
func (n *node) question(f frame, name, key string, tell func(frame)) {
	switch {
	case key == "" || !utf8.ValidString(key):
		tell(frame{tellBadKey, f.id, []byte("that is no key")})
		return
	case name != groupName:
		tell(frame{tellNoGroup, f.id, nil})
		return
	}
	if f.kind == askPeek {
		n.mu.Lock()
		n.peeks++
		n.mu.Unlock()
	}
	if v, ok := n.group.peek(key); ok {
		tell(valueFrame(f.id, v, 0))
		return
	}
	if f.kind == askPeek {
		tell(frame{tellNone, f.id, nil})
		return
	}
	if n.isDraining() {
		tell(frame{tellDraining, f.id, nil})
		return
	}
	began := time.Now()
	flight := n.group.join(key)
	go func() {
		<-flight.landed
		switch {
		case flight.err == errNone:
			tell(frame{tellNone, f.id, nil})
		case flight.err != nil:
			tell(frame{tellFailed, f.id, []byte(flight.err.Error())})
		default:
			tell(valueFrame(f.id, flight.value, time.Since(began)))
		}
	}()
}

func valueFrame(id uint32, v value, waited time.Duration) frame {
	if len(v.bytes) > maxValue {
		return frame{tellAlone, id, nil}
	}
	if v.expires.IsZero() {
		return frame{tellValue, id, v.bytes}
	}
	rest := make([]byte, 12, 12+len(v.bytes))
	left := float64(v.left()) / float64(time.Millisecond)
	binary.BigEndian.PutUint64(rest, math.Float64bits(math.Max(left, 0)))
	binary.BigEndian.PutUint32(rest[8:], uint32(waited.Milliseconds()))
	return frame{tellExpiring, id, append(rest, v.bytes...)}
}

// An asker is the other end of a link: that of who asks.
type asker struct {
	body    *io.PipeWriter
	res     *http.Response
	ended   chan struct{}
	closing chan struct{}

	mu      sync.Mutex // guards what follows
	last    uint32
	waiting map[uint32]chan frame
	err     error
}

// request makes a request with the headers that all have.
func (n *node) request(method, of, target string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, of+basePath+target, body)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Geecache-Peer", n.self)
	r.Header.Set("Geecache-Ring", n.ring.fingerprint())
	r.Header.Set("Geecache-Target", markOf(target))
	// Go would say who it is, and ask for compressed bodies.
	r.Header.Set("Accept-Encoding", "identity")
	return r
}

// isAnswer tells whether a response is an answer of ours to that question.
func isAnswer(res *http.Response, target, result string, status int) bool {
	h := res.Header
	return res.StatusCode == status && h.Get("Geecache-Result") == result &&
		h.Get("Geecache-Target") == markOf(target)
}

// open opens a link to a peer: that is, both the head and the pong are here.
func (n *node) open(of string) (*asker, error) {
	r, w := io.Pipe()
	req := n.request(http.MethodPost, of, "", r)
	req.Header.Set("Geecache-Link", "1")
	go w.Write(frame{askPing, 7, nil}.bytes())
	late := time.AfterFunc(time.Second, func() { w.CloseWithError(errors.New("no hello")) })
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if !isAnswer(res, "", "link", 200) {
		w.Close()
		res.Body.Close()
		return nil, fmt.Errorf("%s opens no link: %s", of, res.Status)
	}
	first, err := readFrame(res.Body, maxTell)
	if err == nil && (first.kind != tellPong || first.id != 7) {
		err = fmt.Errorf("the first frame is %v", first)
	}
	if err == nil && !late.Stop() {
		err = errors.New("no hello")
	}
	if err != nil {
		w.Close()
		res.Body.Close()
		return nil, err
	}
	a := &asker{
		body:    w,
		res:     res,
		ended:   make(chan struct{}),
		closing: make(chan struct{}, 1),
		waiting: make(map[uint32]chan frame),
	}
	go a.read()
	return a, nil
}

// read takes the answers.
func (a *asker) read() {
	var err error
	for err == nil {
		var f frame
		if f, err = readFrame(a.res.Body, maxTell); err != nil {
			break
		}
		if f.kind == tellClosing {
			a.closing <- struct{}{}
			continue
		}
		a.mu.Lock()
		c, ok := a.waiting[f.id]
		delete(a.waiting, f.id)
		a.mu.Unlock()
		if !ok {
			err = fmt.Errorf("an answer to no question: %v", f)
			break
		}
		c <- f
	}
	a.mu.Lock()
	a.err = err
	a.mu.Unlock()
	a.body.Close()
	a.res.Body.Close()
	close(a.ended)
}

// send sends a frame whose answer will come through the channel.
func (a *asker) send(kind byte, rest []byte) (uint32, <-chan frame) {
	c := make(chan frame, 1)
	a.mu.Lock()
	a.last++
	id := a.last
	a.waiting[id] = c
	a.mu.Unlock()
	a.body.Write(frame{kind, id, rest}.bytes())
	return id, c
}

// tell sends a frame that has no answer.
func (a *asker) tell(kind byte, id uint32, rest []byte) {
	a.body.Write(frame{kind, id, rest}.bytes())
}

// wait waits for an answer, and pings meanwhile.
func (a *asker) wait(c <-chan frame) (frame, error) {
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	ping := time.NewTicker(500 * time.Millisecond)
	defer ping.Stop()
	for {
		select {
		case f := <-c:
			return f, nil
		case <-a.ended:
			return frame{}, fmt.Errorf("the link ended: %v", a.err)
		case <-ping.C:
			a.send(askPing, nil)
		case <-patience.C:
			return frame{}, errors.New("no answer came")
		}
	}
}

func (a *asker) ask(kind byte, rest []byte) (frame, error) {
	_, c := a.send(kind, rest)
	return a.wait(c)
}

// hasEnded waits for the end of a link.
func (a *asker) hasEnded() error {
	select {
	case <-a.ended:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("the link did not end")
	}
}

// alone asks for a key in a request of its own, with the key in its body.
func (n *node) alone(of, key string) ([]byte, error) {
	res, err := http.DefaultTransport.RoundTrip(
		n.request(http.MethodPost, of, groupName, strings.NewReader(key)))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if !isAnswer(res, groupName, "value", 200) || res.Header.Get("Geecache-Length") != strconv.Itoa(len(body)) {
		return nil, fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

// linkTo is the link to a peer, which is opened when it is needed.
func (n *node) linkTo(of string) (*asker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.askers[of]; a != nil {
		select {
		case <-a.ended:
		default:
			return a, nil
		}
	}
	a, err := n.open(of)
	if err == nil {
		a.tell(askGroup, 0, []byte(groupName))
		n.askers[of] = a
	}
	return a, err
}

// find asks the whole ring for a key.
func (n *node) find(key string) ([]byte, error) {
	owner := n.ring.owner(key)
	if owner == n.self {
		if v, ok := n.group.peek(key); ok {
			return v.bytes, nil
		}
		f := n.group.join(key)
		<-f.landed
		return f.value.bytes, f.err
	}
	a, err := n.linkTo(owner)
	if err != nil {
		return nil, err
	}
	f, err := a.ask(askGet, question(0, 0, key))
	if err != nil {
		return nil, err
	}
	switch f.kind &^ hot {
	case tellValue:
		return f.rest, nil
	case tellExpiring:
		return f.rest[12:], nil
	case tellNone:
		return nil, errNone
	case tellFailed:
		return nil, errors.New(string(f.rest))
	case tellAlone:
		return n.alone(owner, key)
	}
	return nil, fmt.Errorf("an answer of kind %d", f.kind)
}

// A trial holds the links of a peer to the paper.
type trial struct {
	*node
	of string
}

// owned are keys of the peer.
func (t trial) owned(kind string, count int) []string {
	var keys []string
	for i := 0; len(keys) < count; i++ {
		if key := fmt.Sprintf("%s:go:%d", kind, i); t.ring.owner(key) == t.of {
			keys = append(keys, key)
		}
	}
	return keys
}

// opened is a link on which the group has number 0.
func (t trial) opened() (*asker, error) {
	a, err := t.open(t.of)
	if err == nil {
		a.tell(askGroup, 0, []byte(groupName))
	}
	return a, err
}

// told asks for the keys of one kind, and compares the answer.
func (t trial) told(a *asker, kind byte, key string, want byte, rest string) error {
	f, err := a.ask(kind, question(0, 0, key))
	if err == nil && (f.kind&^hot != want || rest != "" && string(f.rest) != rest) {
		err = fmt.Errorf("%q was answered kind %d, %.80q", key, f.kind, f.rest)
	}
	return err
}

// valueOf is what all nodes load; JavaScript counts UTF-16 code units.
func valueOf(key string) string {
	return key + "|" + strings.Repeat("x", len(utf16.Encode([]rune(key))))
}

// many asks for 300 keys at once.
func (t trial) many(a *asker) error {
	keys := t.owned("user", 300)
	answers := make([]<-chan frame, len(keys))
	for i, key := range keys {
		_, answers[i] = a.send(askGet, question(0, 0, key))
	}
	for i, key := range keys {
		f, err := a.wait(answers[i])
		if err != nil {
			return err
		}
		if f.kind&^hot != tellValue || string(f.rest) != valueOf(key) {
			return fmt.Errorf("%q was answered kind %d, %.80q", key, f.kind, f.rest)
		}
	}
	return nil
}

func (t trial) pings(a *asker) error {
	for i := 0; i < 3; i++ {
		f, err := a.ask(askPing, nil)
		if err != nil || f.kind != tellPong || len(f.rest) > 0 {
			return fmt.Errorf("a ping was answered %v: %v", f, err)
		}
	}
	return nil
}

func (t trial) peeks(a *asker) error {
	key := t.owned("peek", 1)[0]
	if err := t.told(a, askPeek, key, tellNone, ""); err != nil {
		return err
	}
	if err := t.told(a, askGet, key, tellValue, valueOf(key)); err != nil {
		return err
	}
	return t.told(a, askPeek, key, tellValue, valueOf(key))
}

func (t trial) failures(a *asker) error {
	none, fail := t.owned("none", 1)[0], t.owned("fail", 1)[0]
	for _, err := range []error{
		t.told(a, askGet, none, tellNone, ""),
		t.told(a, askGet, fail, tellFailed, "cannot load "+fail),
		t.told(a, askGet, "", tellBadKey, ""),
		t.told(a, askGet, "a\xff", tellBadKey, ""),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t trial) names(a *asker) error {
	key := t.owned("user", 1)[0]
	a.tell(askGroup, 1, []byte("nowhere"))
	f, err := a.ask(askGet, question(1, 0, key))
	if err != nil || f.kind != tellNoGroup {
		return fmt.Errorf("a group that is not there was answered %v: %v", f, err)
	}
	a.tell(askGroup, 1, []byte(groupName))
	f, err = a.ask(askGet, question(1, 65535, key))
	if err != nil || f.kind&^hot != tellValue {
		return fmt.Errorf("a number that was given again was answered %v: %v", f, err)
	}
	a.tell(askList, 0, []byte(t.ring.fingerprint()))
	return t.pings(a)
}

func (t trial) expiring(a *asker) error {
	key := t.owned("brief", 1)[0]
	for i := 0; i < 2; i++ {
		began := time.Now()
		f, err := a.ask(askGet, question(0, 0, key))
		if err != nil {
			return err
		}
		took := float64(time.Since(began)) / float64(time.Millisecond)
		if f.kind&^hot != tellExpiring || len(f.rest) < 12 || string(f.rest[12:]) != valueOf(key) {
			return fmt.Errorf("it was answered %v", f)
		}
		left := math.Float64frombits(binary.BigEndian.Uint64(f.rest))
		waited := float64(binary.BigEndian.Uint32(f.rest[8:]))
		if !(left > 0 && left <= 60_000) || waited > took+1 {
			return fmt.Errorf("%v ms left, waited %v of %v ms", left, waited, took)
		}
	}
	return nil
}

// slow asks for what loads longer than a peer may be silent.
func (t trial) slow(a *asker) error {
	began, key := time.Now(), t.owned("long", 1)[0]
	err := t.told(a, askGet, key, tellValue, valueOf(key))
	if took := time.Since(began); err == nil && took < 2*time.Second {
		err = fmt.Errorf("it took only %v", took)
	}
	return err
}

func (t trial) cancels(a *asker) error {
	id, _ := a.send(askGet, question(0, 0, t.owned("slow", 1)[0]))
	a.tell(askCancel, id, nil)
	// A question that is over can no more be cancelled, which changes nothing.
	a.tell(askCancel, id, nil)
	a.tell(askCancel, 4_000_000_000, nil)
	time.Sleep(400 * time.Millisecond)
	return t.pings(a)
}

func (t trial) large(a *asker) error {
	key := t.owned("bytes", 1)[0]
	if err := t.told(a, askGet, key, tellAlone, ""); err != nil {
		return err
	}
	body, err := t.alone(t.of, key)
	if err == nil && len(body) != 1<<20 {
		err = fmt.Errorf("%d bytes came", len(body))
	}
	return err
}

// pieces sends frames that are cut anywhere.
func (t trial) pieces(a *asker) error {
	key := t.owned("user", 1)[0]
	c := make(chan frame, 1)
	a.mu.Lock()
	a.last++
	id := a.last
	a.waiting[id] = c
	a.mu.Unlock()
	for _, b := range (frame{askGet, id, question(0, 0, key)}).bytes() {
		a.body.Write([]byte{b})
	}
	f, err := a.wait(c)
	if err == nil && string(f.rest) != valueOf(key) {
		err = fmt.Errorf("it was answered %v", f)
	}
	return err
}

// longKey asks for the longest key.
func (t trial) longKey(a *asker) error {
	key := "user:" + strings.Repeat("k", maxKey-5)
	return t.told(a, askGet, key, tellValue, valueOf(key))
}

// inOrder ends a link.
func (t trial) inOrder(a *asker) error {
	a.body.Close()
	if err := a.hasEnded(); err != nil {
		return err
	}
	if a.err != io.EOF {
		return fmt.Errorf("the link did not end in order: %v", a.err)
	}
	return nil
}

// malformed sends what ends a link, each on a link of its own.
func (t trial) malformed(*asker) error {
	key := t.owned("slow", 2)[1]
	for what, frames := range map[string][]frame{
		"a kind that is none":    {{9, 1, nil}},
		"an unnamed group":       {{askGet, 1, question(5, 0, key)}},
		"a group out of order":   {{askGroup, 5, []byte("g")}},
		"a question cut short":   {{askGet, 1, []byte{0, 0}}},
		"a question asked twice": {{askGet, 1, question(0, 0, key)}, {askGet, 1, question(0, 0, key)}},
		"a frame too long":       {{askGet, 1, question(0, 0, strings.Repeat("x", maxKey+1))}},
	} {
		a, err := t.opened()
		if err != nil {
			return err
		}
		var all []byte
		for _, f := range frames {
			all = append(all, f.bytes()...)
		}
		go a.body.Write(all)
		if err := a.hasEnded(); err != nil {
			return fmt.Errorf("%s: %v", what, err)
		}
	}
	return nil
}

// broken cuts a link amid a load and asks again.
func (t trial) broken(a *asker) error {
	key := t.owned("long", 2)[1]
	a.send(askGet, question(0, 0, key))
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		loads, err := t.loads()
		if err != nil {
			return err
		}
		if loads[key] == 1 {
			break
		}
		if time.Now().After(end) {
			return errors.New("it was not loaded")
		}
	}
	a.body.CloseWithError(errors.New("cut"))
	a.res.Body.Close()
	again, err := t.opened()
	if err != nil {
		return err
	}
	defer again.body.Close()
	if err := t.told(again, askGet, key, tellValue, valueOf(key)); err != nil {
		return err
	}
	loads, err := t.loads()
	if err == nil && loads[key] != 1 {
		err = fmt.Errorf("it was loaded %d times", loads[key])
	}
	return err
}

func (t trial) loads() (loads map[string]int, err error) {
	res, err := http.Get(t.of + "/loads")
	if err == nil {
		defer res.Body.Close()
		err = json.NewDecoder(res.Body).Decode(&loads)
	}
	return loads, err
}

// refusals opens what is no link.
func (t trial) refusals(*asker) error {
	for want, change := range map[string]func(http.Header){
		"403 refused":     func(h http.Header) { h.Del("Geecache-Peer") },
		"400 bad-request": func(h http.Header) { h.Set("Geecache-Link", "2") },
	} {
		req := t.request(http.MethodPost, t.of, "", bytes.NewReader(frame{askPing, 0, nil}.bytes()))
		req.Header.Set("Geecache-Link", "1")
		change(req.Header)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("Geecache-Result")); got != want {
			return fmt.Errorf("%q instead of %q", got, want)
		}
	}
	return nil
}

// run tries all, and writes a line for each: its name, and what is wrong.
func (t trial) run(w io.Writer) {
	for _, one := range []struct {
		name string
		run  func(*asker) error
	}{
		{"pings", t.pings},
		{"300 keys at once", t.many},
		{"peeks", t.peeks},
		{"a missing key, a failing one, and two that are none", t.failures},
		{"groups that are named, and named again", t.names},
		{"a value that expires", t.expiring},
		{"a value that loads longer than a peer may be silent", t.slow},
		{"questions that are cancelled", t.cancels},
		{"a value too large for a link", t.large},
		{"a question in pieces", t.pieces},
		{"the longest key", t.longKey},
		{"an end in order", t.inOrder},
		{"what ends a link", t.malformed},
		{"a link that is cut amid a load", t.broken},
		{"what opens no link", t.refusals},
	} {
		a, err := t.opened()
		if err == nil {
			err = one.run(a)
			a.body.Close()
		}
		result := ""
		if err != nil {
			result = err.Error()
		}
		fmt.Fprintf(w, "%s\t%s\n", one.name, result)
	}
}

// tell answers the run.
func (n *node) tell(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/get":
		value, err := n.find(query.Get("key"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(value)
	case "/loads":
		n.group.mu.Lock()
		defer n.group.mu.Unlock()
		json.NewEncoder(w).Encode(n.group.loads)
	case "/links":
		n.mu.Lock()
		defer n.mu.Unlock()
		json.NewEncoder(w).Encode(map[string]any{
			"open": len(n.served), "opened": n.links, "over": n.over,
			"cancels": n.cancels, "peeks": n.peeks,
		})
	case "/cut":
		n.mu.Lock()
		defer n.mu.Unlock()
		for s := range n.served {
			s.cut <- struct{}{}
		}
	case "/drain":
		n.mu.Lock()
		defer n.mu.Unlock()
		n.draining = true
		for s := range n.served {
			s.tell(frame{tellClosing, 0, nil})
		}
	case "/trial":
		trial{n, query.Get("key")}.run(w)
	}
}

func main() {
	self := flag.String("self", "", "this node's origin")
	peers := flag.String("peers", "", "the origins of all nodes")
	flag.Parse()
	rand.Seed(time.Now().UnixNano())
	n := &node{
		self: *self,
		ring: newRing(strings.Split(*peers, ",")),
		group: &group{
			self:    *self,
			memory:  make(map[string]value),
			flights: make(map[string]*flight),
			loads:   make(map[string]int),
		},
		epoch:  fmt.Sprintf("%016x", rand.Uint64()),
		served: make(map[*served]bool),
		over:   make(map[string]int),
		askers: make(map[string]*asker),
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, basePath) {
			n.ServeHTTP(w, r)
		} else {
			n.tell(w, r)
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
