package joblog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
)

// A log is read on several cores, and gives the same report as on one:
//
//	eachBlock     fills a place with a block and puts it: at the end of waiting, and on todo
//	a goroutine   receives the place from todo, calls look, and sends on the place's looked
//	first         receives from looked of the place at the front of waiting, and calls take
//
// All but the second line runs on the caller's goroutine. Between todo and looked the place belongs to
// the other goroutine, and otherwise to the caller's, so no lock is needed.

const (
	// bufferSize is the maximum size of a block, in bytes.
	bufferSize = 256 << 10
	// mostCores is the maximum number of cores that look at the blocks of one log. Reading,
	// unpacking, and whatever depends on earlier lines runs on one core and is more than an
	// eighth of the work, so more than eight others would wait for it (Amdahl's law).
	mostCores = 8
	// mostEmpty is how many times in a row a reader may return neither bytes nor an error, as in
	// package bufio.
	mostEmpty = 100
)

// blocks says how a log is cut; zero fields have their defaults.
type blocks struct {
	size  int // the maximum size of a block in bytes
	cores int // the number of cores that look at blocks
}

func (o blocks) defaults() blocks {
	if o.size == 0 {
		o.size = bufferSize
	}
	if o.cores == 0 {
		o.cores = min(runtime.GOMAXPROCS(0), mostCores)
	}
	return o
}

// block is a part of a log. It ends with a line feed if its buffer has one, or else with a
// carriage return if there is one. Its text is valid until take returns. With buffers of 8 bytes,
// "ab\ncd\nefgh\n" has the blocks "ab\ncd\n" and "efgh\n": the "ef" of the first buffer is copied to
// the beginning of the second. A line longer than a buffer is in several blocks, and before shows it.
// The last block may be empty.
type block struct {
	text   []byte
	before byte  // the last byte of the block before; a line feed for the first block
	over   bool  // it is the last block
	torn   error // for the last block: the error that ended the reading; nil for the end of the log
}

// eachBlock calls take for each block of a log, in order and on the caller's goroutine. Before
// that it calls look for the block, on any core and in any order, which does the work that
// depends on no other block. look stores its results in *of, and take gets the same pointer. The
// pointers are used again, so look must reset what an earlier block left there. look may be nil.
//
// The first block is looked at on the caller's goroutine, since most logs have no more. After it
// there is one goroutine for each core, and at most 2*cores+1 blocks are in memory. With one core
// there are no goroutines and one block.
//
// The results are the same as with one core. All blocks that were read before an error, or
// before ctx ended, are taken before the error is returned; and take's error is that of the
// first block that has one. When eachBlock returns, its goroutines have ended. Only the caller's
// goroutine reads in.
func eachBlock[T any](
	ctx context.Context, in io.Reader, o blocks, look func(b block, of *T), take func(b block, of *T) error,
) error {
	q := queue[T]{blocks: o.defaults(), look: look, take: take}
	defer q.stop()
	before := byte('\n')
	// rest are the bytes after the last line of the block before, where the next one begins. They lie
	// in that block's buffer, which place may return again; copy allows that the two overlap.
	var rest []byte
	for {
		p, err := q.place()
		if err != nil {
			return err
		}
		fill := copy(p.buf, rest)
		err = readInto(in, p.buf, &fill)
		p.block = block{text: p.buf[:fill], before: before, over: err != nil}
		if err == nil {
			p.text = wholeLines(p.text)
		} else if !errors.Is(err, io.EOF) {
			p.torn = err
		}
		rest = p.buf[len(p.text):fill]
		if n := len(p.text); n > 0 {
			before = p.text[n-1]
		}
		if err := q.put(p); err != nil {
			return err
		}
		if !p.over && ctx.Err() == nil {
			continue
		}
		if err := q.drain(); err != nil {
			return err
		}
		if p.over {
			return p.torn
		}
		return ctx.Err()
	}
}

// wholeLines is a full buffer up to its last line feed, or else up to its last carriage return,
// or else all of it: "a\nb" gives "a\n", "10%\r20%" gives "10%\r", "abc" gives "abc".
func wholeLines(text []byte) []byte {
	for _, end := range []byte{'\n', '\r'} {
		if i := bytes.LastIndexByte(text, end); i >= 0 {
			return text[:i+1]
		}
	}
	return text
}

// readInto fills a buffer from *fill on, and adds to *fill the number of bytes read, also when it
// returns an error. Unlike io.ReadFull it returns the reader's own error, so that the end
// of a log (io.EOF) differs from one that breaks off (io.ErrUnexpectedEOF).
func readInto(r io.Reader, buf []byte, fill *int) error {
	for empty := 0; *fill < len(buf); {
		n, err := r.Read(buf[*fill:])
		*fill += n
		if err != nil {
			return err
		}
		if empty++; n > 0 {
			empty = 0
		} else if empty == mostEmpty {
			return io.ErrNoProgress
		}
	}
	return nil
}

// place has a block and what look found in it. It is used again for later blocks.
type place[T any] struct {
	block                // its text lies in buf
	buf    []byte        // of the maximum size of a block
	of     T             // what look stored
	looked chan struct{} // has a value when look has returned; its capacity is 1, so no goroutine waits to send
	fault  any           // the value that look panicked with; nil for none
}

// lookedAt calls look with the block, on another goroutine. A panic is kept and raised again on
// the caller's goroutine, where it can be recovered.
func (p *place[T]) lookedAt(look func(block, *T)) {
	defer func() {
		p.fault = recover()
		p.looked <- struct{}{}
	}()
	look(p.block, &p.of)
}

// queue has the blocks of a log that are in memory. Each place is free, or waiting, or being filled by
// eachBlock; there are at most 2*cores+1 of them, so that each goroutine can have one to look at and
// one more while another is filled. For 4 cores these are 9 places with 2.25 MiB.
type queue[T any] struct {
	blocks
	look    func(block, *T)
	take    func(block, *T) error
	free    []*place[T]    // whose blocks were taken
	waiting []*place[T]    // blocks that were not taken yet, in the order of the log
	begun   bool           // the first block was taken
	todo    chan *place[T] // blocks for look; nil until the second block, or always with one core
	lookers sync.WaitGroup // the goroutines that call look
}

// place returns a place for the next block. When the maximum number of blocks is in memory it
// takes the first one to make room.
func (q *queue[T]) place() (*place[T], error) {
	if len(q.waiting) == 2*q.cores+1 {
		if err := q.first(); err != nil {
			return nil, err
		}
	}
	if n := len(q.free); n > 0 {
		p := q.free[n-1]
		q.free = q.free[:n-1]
		return p, nil
	}
	return &place[T]{buf: make([]byte, q.size), looked: make(chan struct{}, 1)}, nil
}

// put gives a block to look, and takes the first blocks as far as they were looked at. It does not wait
// for other goroutines: todo has room for all places, and a block that was not looked at is left.
func (q *queue[T]) put(p *place[T]) error {
	if !q.begun || q.look == nil || q.cores == 1 {
		q.begun = true
		if q.look != nil {
			q.look(p.block, &p.of)
		}
		q.free = append(q.free, p)
		return q.take(p.block, &p.of)
	}
	if q.todo == nil {
		q.start()
	}
	q.waiting = append(q.waiting, p)
	q.todo <- p
	for len(q.waiting) > 0 && len(q.waiting[0].looked) > 0 {
		if err := q.first(); err != nil {
			return err
		}
	}
	return nil
}

// first takes the first waiting block, and waits until it was looked at. The others move up within the
// slice, which thus never grows beyond 2*cores+1.
func (q *queue[T]) first() error {
	p := q.waiting[0]
	q.waiting = append(q.waiting[:0], q.waiting[1:]...)
	<-p.looked
	if p.fault != nil {
		panic(p.fault)
	}
	q.free = append(q.free, p)
	return q.take(p.block, &p.of)
}

// drain takes all waiting blocks.
func (q *queue[T]) drain() error {
	for len(q.waiting) > 0 {
		if err := q.first(); err != nil {
			return err
		}
	}
	return nil
}

// start begins the goroutines. They end when stop closes todo.
func (q *queue[T]) start() {
	q.todo = make(chan *place[T], 2*q.cores+1)
	for range q.cores {
		q.lookers.Go(func() {
			for p := range q.todo {
				p.lookedAt(q.look)
			}
		})
	}
}

// stop waits for the goroutines to end. They first look at the blocks that were put before.
func (q *queue[T]) stop() {
	if q.todo != nil {
		close(q.todo)
		q.lookers.Wait()
	}
}
