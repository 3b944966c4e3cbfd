package rabbittest_test

import (
	"net"
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/testing/rabbittest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A broker runs, is ours alone, keeps what is durable when it is killed, and is gone
// at the end.
func TestBroker(t *testing.T) {
	b := rabbittest.Start(t)
	must(t, b.AddUser("ann", "p?s: w/rd", "^queue/ann/", "^queue/ann/", ".*"))
	must(t, b.Declare("exchange/one"))
	conn, err := amqp.DialConfig(b.URL(), amqp.Config{SASL: []amqp.Authentication{
		&amqp.PlainAuth{Username: "ann", Password: "p?s: w/rd"},
	}})
	must(t, err)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	ch, err := conn.Channel()
	must(t, err)
	const name = "queue/ann/a \"b"
	_, err = ch.QueueDeclare(name, true, false, false, false, nil)
	must(t, err)
	must(t, ch.QueueBind(name, "a.#", "exchange/one", false, nil))
	must(t, ch.QueueBind(name, "b.#", "exchange/one", false, nil))
	must(t, b.Publish("exchange/one", "a.b", []byte("1"), []byte("2"), []byte("3")))
	must(t, b.Publish("exchange/one", "c", []byte("4")))
	_, _, err = ch.Get(name, false)
	must(t, err)
	if ready, unacked, err := b.Depth(name); ready != 2 || unacked != 1 || err != nil {
		t.Errorf("%d wait and %d are not acknowledged, %v, want 2 and 1", ready, unacked, err)
	}
	got, err := b.Bindings(name)
	if want := []string{"exchange/one a.#", "exchange/one b.#"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("the bindings are %q, %v, want %q", got, err, want)
	}
	if n, err := b.CloseConnections("ann", "by hand"); n != 1 || err != nil {
		t.Errorf("%d connections were closed, %v, want 1", n, err)
	}
	if e := <-closed; e == nil || e.Code != amqp.ConnectionForced {
		t.Errorf("the connection was closed with %v, want 320", e)
	}
	must(t, b.Kill())
	must(t, b.Run())
	if ready, _, err := b.Depth(name); ready != 3 || err != nil {
		t.Errorf("after it was killed %d messages wait, %v, want 3", ready, err)
	}
	must(t, b.DeleteQueue(name))
	if has, err := b.HasQueue(name); has || err != nil {
		t.Errorf("the queue is there: %v, %v", has, err)
	}
	b.Close()
	if c, err := net.Dial("tcp", b.Addr()); err == nil {
		_ = c.Close()
		t.Error("the broker serves after its end")
	}
}
