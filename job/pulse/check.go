package pulse

import "context"

// Check connects to the broker with these options and leaves again, to know whether it is
// there and takes the user and password. No queue is made, and no binding. Errors are
// those of [Consumer.Run]: job.ErrDenied for who is not taken, job.ErrUnavailable for a
// broker that does not answer within Options.CallTimeout.
func Check(ctx context.Context, o Options) error {
	c, err := NewConsumer(NewMemory(), o)
	if err != nil {
		return err
	}
	l, err := c.dial(ctx)
	if err != nil {
		return cause(err)
	}
	l.close()
	return nil
}
