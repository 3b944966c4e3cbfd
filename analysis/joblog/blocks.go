package joblog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
)

const (
	// bufferSize is how much of a log a block has at most.
	bufferSize = 256 << 10
	// mostCores is on how many cores the blocks of one log are looked at. Reading and
	// unpacking it, and what depends on the lines before, is done on one, and is more
	// than an eighth of all.
	mostCores = 8
	// mostEmpty is how many times a reader may give nothing, and no error.
	mostEmpty = 100
)

// blocks says how a log is cut; zero is the usual.
type blocks struct {
	size  int // bytes of a block at most
	cores int // on which blocks are looked at
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

// block is a part of a log. It ends with a line feed where there is one in the
// buffer, else with a carriage return where there is one. Its text is valid until it
// was taken.
type block struct {
	text   []byte
	before byte  // the last byte of the block before it; of the first a line feed
	over   bool  // it is the last
	torn   error // why nothing of the log was read behind it: of the last only, and not its end
}

// eachBlock gives the blocks of a log to take, in order and on the caller's
// goroutine. Before that, each is given to look, on any core and in any order, with
// a place for what is to be known of it, which has what an earlier block left there;
// take gets the same place. Where look is nil take is called alone.
//
// The first block is looked at where it is read, as most logs are not larger. Behind
// it there are as many goroutines as there are cores, and at most one block more than
// twice as many are in memory; on one core there is no goroutine, and one block.
//
// Whatever ends the reading does so at the place at which it would on one core: all
// blocks that were read before an error, or before ctx ended, are taken before it is
// returned, and take's own error is that of the first block that has one. No goroutine
// is left behind, and in is read by the caller's alone.
func eachBlock[T any](
	ctx context.Context, in io.Reader, o blocks, look func(b block, of *T), take func(b block, of *T) error,
) error {
	q := queue[T]{blocks: o.defaults(), look: look, take: take}
	defer q.stop()
	before := byte('\n')
	var rest []byte // that was read behind the block before
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

// wholeLines is a full buffer up to its last line feed, else up to its last
// carriage return, else all of it.
func wholeLines(text []byte) []byte {
	for _, end := range []byte{'\n', '\r'} {
		if i := bytes.LastIndexByte(text, end); i >= 0 {
			return text[:i+1]
		}
	}
	return text
}

// readInto fills a buffer. Unlike io.ReadFull it tells an end from a torn one.
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

// place has a block and what is known of it.
type place[T any] struct {
	block
	buf    []byte
	of     T
	looked chan struct{} // has one when it was looked at
	fault  any           // what look panicked with
}

// lookedAt calls look with the block, on a goroutine of its own. What that panics with
// is for the caller, who can recover.
func (p *place[T]) lookedAt(look func(block, *T)) {
	defer func() {
		p.fault = recover()
		p.looked <- struct{}{}
	}()
	look(p.block, &p.of)
}

// queue has the blocks of a log that are in memory.
type queue[T any] struct {
	blocks
	look    func(block, *T)
	take    func(block, *T) error
	free    []*place[T]
	waiting []*place[T] // that were not taken, in the order of the log
	begun   bool        // the first block was taken
	todo    chan *place[T]
	lookers sync.WaitGroup
}

// place is where the next block is put. It waits while there are as many blocks in
// memory as may be.
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

// put has a block looked at, and takes those that were.
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

// first waits for the first block that was not taken, and takes it.
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

// drain takes all that was put.
func (q *queue[T]) drain() error {
	for len(q.waiting) > 0 {
		if err := q.first(); err != nil {
			return err
		}
	}
	return nil
}

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

// stop ends the goroutines, which look at what was put before.
func (q *queue[T]) stop() {
	if q.todo != nil {
		close(q.todo)
		q.lookers.Wait()
	}
}
