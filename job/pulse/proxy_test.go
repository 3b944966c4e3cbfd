package pulse_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between a Consumer and the broker.
type proxy struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	cond   *sync.Cond
	frozen bool
	most   int        // bytes that a consumer may send before the link breaks; 0 for no limit
	conns  []net.Conn // of the consumers
}

// newProxy forwards to an address until the test ends.
func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to}
	p.cond = sync.NewCond(&p.mu)
	go p.serve()
	t.Cleanup(func() {
		_ = l.Close()
		p.freeze(false)
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			_ = c.Close()
		}
	})
	return p
}

func (p *proxy) url() string { return "amqp://" + p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, in)
		p.mu.Unlock()
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		most := p.most
		p.mu.Unlock()
		go p.copy(in, out, most)
		go p.copy(out, in, 0)
	}
}

// copy forwards one direction; while the link is frozen nothing is forwarded, not even
// that an end has closed.
func (p *proxy) copy(from, to net.Conn, most int) {
	buf := make([]byte, 64<<10)
	for sent := 0; ; {
		n, err := from.Read(buf)
		if sent += n; most > 0 && sent > most {
			err = io.EOF
		}
		p.mu.Lock()
		for p.frozen {
			p.cond.Wait()
		}
		p.mu.Unlock()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_ = from.Close()
			_ = to.Close()
			return
		}
	}
}

// freeze lets the link hang, or go on.
func (p *proxy) freeze(yes bool) {
	p.mu.Lock()
	p.frozen = yes
	p.mu.Unlock()
	p.cond.Broadcast()
}

// cut breaks every new link after so many bytes of the consumer's; 0 for never.
func (p *proxy) cut(most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = most
}

// inject writes to the consumer as if the broker had.
func (p *proxy) inject(t *testing.T, frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.conns[len(p.conns)-1].Write(frame); err != nil {
		t.Fatal(err)
	}
}
