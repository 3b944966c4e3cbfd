package pulse_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/pulse"
)

// broker is in place of a real one: once somebody watches it says one thing, and then
// nothing.
type broker struct {
	store    pulse.Store
	onState  func(pulse.State)
	watching <-chan struct{}
}

func (b *broker) Run(ctx context.Context) error {
	b.onState(pulse.State{Kind: pulse.StateListening})
	select {
	case <-b.watching:
	case <-ctx.Done():
		return nil
	}
	err := b.store.Put(ctx, "queue/me/mozci", []pulse.Message{{
		Exchange: "exchange/me/jobs", RoutingKey: "linux64/opt/xpcshell-1", Body: []byte("run-7"),
	}})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (b *broker) Reconnect(string) {}

// A CI becomes a job.Watcher by what Pulse tells of it.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	watching := make(chan struct{})
	begin := sync.OnceFunc(func() { close(watching) })
	ci := jobtest.NewCI(jobtest.MustParse("push t\n1 a001 pass\n"), nil) // in place of a real CI
	live, err := pulse.NewLive(ci, pulse.LiveOptions{
		Store: pulse.NewMemory(), CI: "mine", Queue: "queue/me/mozci",
		// The sources have decoders, such as taskcluster's Project.DecodePulse.
		Decode: func(_ context.Context, m pulse.Message) ([]job.Event, error) {
			run := job.Fields{ID: string(m.Body), Name: m.RoutingKey, Status: job.StatusSuccess}
			return []job.Event{{CI: "mine", Job: job.New(run)}}, nil
		},
		// With a real broker: pulse.Listen(pulse.Options{User: …, Password: …, Bindings: …})
		Consumer: func(s pulse.Store, onState func(pulse.State)) (pulse.Listener, error) {
			return &broker{s, onState, watching}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = live.Run(ctx) }() // until stop
	for event, err := range job.Watch(ctx, live) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Job == nil { // first of all: what happened before was missed, so ask the CI now
			begin()
			continue
		}
		fmt.Println(event.Job.ID(), event.Job.Name(), event.Job.Status())
		break
	}
	// Output:
	// run-7 linux64/opt/xpcshell-1 success
}
