package pulse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// final is an error that does not pass with time: a person must change something.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// cause is the *job.Error of a final error.
func cause(err error) error {
	var f final
	if errors.As(err, &f) {
		return f.error
	}
	return err
}

func isFinal(err error) bool {
	var f final
	return errors.As(err, &f)
}

// longestReason is the maximum length of the broker's words in an error, in bytes.
const longestReason = 500

// refusal is the code and reason that the broker itself gave; ok is false where it gave none.
// It must look at e.Server, because the AMQP library makes errors with the broker's codes too:
// whenever a connection breaks while it is opened, the library reports a wrong password.
func refusal(err error) (code int, reason string, ok bool) {
	var e *amqp.Error
	if !errors.As(err, &e) || !e.Server {
		return 0, "", false
	}
	return e.Code, clip.Marked(e.Reason, longestReason), true
}

// failed is the error of one step of connecting; doing names the step. The broker's code
// decides whether the error is final.
//
//	403 ACCESS_REFUSED                       final: the user, the password or a permission
//	530 NOT_ALLOWED … vhost … not found      final
//	530 NOT_ALLOWED … connection limit       tried again
//	406 PRECONDITION_FAILED, named queue     final: it was made with another Expires
//	a certificate that is not trusted        final
//	anything else                            tried again
func (c *Consumer) failed(doing string, err error) error {
	wrap := func(sentinel error, format string, args ...any) error {
		err := fmt.Errorf("%w: %s: "+format, append([]any{sentinel, doing}, args...)...)
		return job.Wrap("pulse.connect", c.o.Queue, err)
	}
	code, reason, said := refusal(err)
	if !said {
		if secured(err) {
			return final{wrap(job.ErrDenied, "no secure connection to %s: %w; check URL and TLS", c.host, err)}
		}
		var made *amqp.Error
		if errors.As(err, &made) && doing == opening {
			return wrap(job.ErrUnavailable, "%s ended the connection without a word; check User, Password and URL",
				c.host)
		}
		return wrap(job.ErrUnavailable, "%w", err)
	}
	switch code {
	case amqp.AccessRefused:
		return final{wrap(job.ErrDenied, "the broker refuses user %s: %s", c.o.User, reason)}
	case amqp.NotAllowed:
		if strings.Contains(reason, "limit") { // the limit of connections: some will end
			return wrap(job.ErrUnavailable, "the broker refuses user %s: %s", c.o.User, reason)
		}
		return final{wrap(job.ErrDenied, "the broker refuses user %s: %s; check User and Vhost", c.o.User, reason)}
	case amqp.PreconditionFailed:
		if c.named {
			return final{wrap(job.ErrRefused, "the broker says: %s; delete the queue, or give the Expires that it was "+
				"made with (now %s)", reason, c.o.Expires)}
		}
	}
	return wrap(job.ErrUnavailable, "the broker says: %d %s", code, reason)
}

// secured reports whether the error is about TLS itself, such as a bad certificate, and not only
// a connection that broke.
func secured(err error) bool {
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &header) || errors.As(err, &alert)
}
