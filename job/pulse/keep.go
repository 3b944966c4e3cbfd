package pulse

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// delivery is a message that the broker sent and that is not acknowledged yet.
type delivery struct {
	message     Message
	tag         uint64    // the broker's number of it, valid on its channel alone
	size        int       // bytes of the body before it was cut
	redelivered bool      // the broker has sent it before
	at          time.Time // when it came
	long        bool      // its body was cut
}

// delivered keeps what is needed of a delivery. A body that is too long is cut, and copied so
// that the memory of the whole is freed.
func (c *Consumer) delivered(d amqp.Delivery) delivery {
	out := delivery{
		message: Message{Exchange: d.Exchange, RoutingKey: d.RoutingKey, Body: d.Body},
		tag:     d.DeliveryTag, size: len(d.Body), redelivered: d.Redelivered, at: time.Now(),
	}
	if out.size > c.o.MaxBody {
		out.long, out.message.Body = true, append([]byte(nil), d.Body[:c.o.MaxBody]...)
	}
	return out
}

// fate is what became of a message in the Store.
type fate int

const (
	unwritten fate = iota // not in the Store: it stays held
	stored
	aside
)

// verdict is what became of a batch: a fate for each of its messages, and the error
// that stopped it.
type verdict struct {
	generation uint64
	fates      []fate
	err        error
}

// kept counts the messages of a batch that were stored and those that were set aside.
func (o verdict) kept(batch []delivery) (puts, asides int64) {
	for i := range batch {
		switch o.fates[i] {
		case stored:
			puts++
		case aside:
			asides++
		case unwritten:
		}
	}
	return puts, asides
}

// batchBytes is the maximum size of a batch's bodies, in bytes. A single message may be larger.
const batchBytes = 4 << 20

// nextBatch is the number of held messages to write in the next call of the Store. With Batch
// 100 and bodies of 1 MiB it is 4, as a fifth would make 5 MiB; with a body of 16 MiB in front
// it is 1, and with none held 0.
func (c *Consumer) nextBatch(held []delivery) int {
	n, bytes := 0, 0
	for _, d := range held {
		if bytes += len(d.message.Body); n == c.o.Batch || n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	return n
}

// keep writes a batch into the Store. It goes on when Run ends, since the messages are here
// already.
func (c *Consumer) keep(ctx context.Context, generation uint64, batch []delivery) verdict {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.pace.storeCall)
	defer cancel()
	k := keeper{c, batch, make([]fate, len(batch))}
	var usual []int
	for i, d := range batch {
		if !d.long {
			usual = append(usual, i)
			continue
		}
		why := fmt.Sprintf("it has %d bytes, and Options.MaxBody is %d", d.size, c.o.MaxBody)
		if err := k.setAside(ctx, i, why); err != nil {
			return verdict{generation, k.fates, err}
		}
	}
	return verdict{generation, k.fates, k.write(ctx, usual)}
}

// keeper writes one batch.
type keeper struct {
	c     *Consumer
	batch []delivery
	fates []fate
}

// write stores the messages with these indices in the batch. When the Store refuses them for
// their content, write tries each half alone, and so on, until it has found the messages at
// fault and set them aside. One bad message among 100 takes about 14 calls.
//
// Of the messages 0 to 7 only 5 is bad: Put gets 0–7 (refused), 0–3, 4–7 (refused), 4–5
// (refused), 4, 5 (refused and alone, so set aside), and 6–7.
func (k keeper) write(ctx context.Context, indices []int) error {
	if len(indices) == 0 {
		return nil
	}
	messages := make([]Message, len(indices))
	for i, n := range indices {
		messages[i] = k.batch[n].message
	}
	err := k.c.store.Put(ctx, k.c.o.Queue, messages)
	switch {
	case err == nil:
		for _, n := range indices {
			k.fates[n] = stored
		}
		return nil
	case ctx.Err() != nil, !errors.Is(err, job.ErrInvalid) && !errors.Is(err, job.ErrMalformed):
		return k.c.storeFailed(err)
	case len(indices) == 1:
		return k.setAside(ctx, indices[0], err.Error())
	}
	half := len(indices) / 2
	if err := k.write(ctx, indices[:half]); err != nil {
		return err
	}
	return k.write(ctx, indices[half:])
}

// longestWhy is the maximum length of the reason of a message set aside, in bytes.
const longestWhy = 1000

func (k keeper) setAside(ctx context.Context, n int, why string) error {
	m := k.batch[n].message
	err := k.c.store.PutAside(ctx, k.c.o.Queue, []Aside{{Message: m, Why: clip.Marked(why, longestWhy)}})
	if err != nil {
		return k.c.storeFailed(err)
	}
	k.fates[n] = aside
	k.c.bad.tell(k.c.pace.failures, func(more int) {
		k.c.log.Warn("a message was set aside", "queue", k.c.o.Queue, "exchange", job.Visible(m.Exchange),
			"routing_key", job.Visible(m.RoutingKey), "reason", job.Visible(clip.Marked(why, longestWhy)),
			"others_before", more)
	})
	return nil
}
