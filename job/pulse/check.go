package pulse

import "context"

// Check connects to the broker with these options and disconnects again. It tells whether the
// broker is there and accepts the user and password. It makes no queue and no binding. Errors
// are those of [Consumer.Run]: job.ErrDenied when the user is refused, and job.ErrUnavailable
// when the broker does not answer within Options.CallTimeout.
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
