package pulse

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// DefaultURL is Mozilla's broker.
const DefaultURL = "amqps://pulse.mozilla.org:5671"

// Options configure a [Consumer]. Zero fields have their defaults; User, Password and at least
// one binding are required.
type Options struct {
	// URL is the broker, as amqps://HOST:PORT, or amqp:// without TLS. The user, password
	// and virtual host are not part of it but have fields of their own, because some
	// characters of a password would end a URL. Default DefaultURL.
	URL string
	// Vhost is the virtual host. Default "/".
	Vhost    string
	User     string
	Password Secret

	// Queue is the NAME of the queue queue/USER/NAME, or that whole name. Such a queue is
	// durable: several processes may share it, and it keeps messages while none of them
	// runs. Empty means a queue for this Consumer alone, with a new random name, which the
	// broker deletes when the connection ends.
	Queue string
	// Bindings say which messages the queue gets. At least one.
	Bindings []Binding
	// Expires is the time without a consumer after which the broker deletes a named queue,
	// so that a forgotten one does not grow. It cannot change while the queue exists. From
	// 1 minute to 28 days; default 24 hours.
	Expires time.Duration

	// Prefetch is the maximum number of messages that the broker sends before they are
	// acknowledged. Times MaxBody, it limits the memory. At most 1,000; default 200.
	Prefetch int
	// Batch is the maximum number of messages in one call of Store.Put. At most Prefetch;
	// default 100.
	Batch int
	// MaxBody is the maximum size of a message, in bytes. A longer one is cut and set aside.
	// At most 16 MiB; default 1 MiB. The broker has a limit of its own (128 MiB by default),
	// and one message at a time is in memory as a whole before it is cut.
	MaxBody int

	// TLS is for amqps://. Default: this machine's certificate authorities.
	TLS *tls.Config
	// Heartbeat is the interval at which both ends show that they are alive. A dead
	// connection is noticed after one and a half intervals. Whole seconds, 1 to 10;
	// default 10.
	Heartbeat time.Duration
	// CallTimeout is the maximum wait for an answer of the broker; then the connection is
	// closed. At most 2 minutes; default 15 seconds.
	CallTimeout time.Duration
	// Retry is the wait before the first new attempt to connect. It doubles each time, up
	// to RetryMost, and varies by up to a quarter at random. Defaults 1 second and 1
	// minute.
	Retry, RetryMost time.Duration

	// Warn and Most are lengths of the queue: messages that wait or are not acknowledged.
	// PulseGuardian warns above Warn and deletes the queue above Most. The Consumer logs a
	// warning above Warn, and an error above three quarters of Most. Defaults 2,000 and
	// 8,000, those of PulseGuardian.
	Warn, Most int

	Logger *slog.Logger // nil discards
	// OnState gets each change of state, in order. The goroutine of Run calls it and waits
	// for it, so it must return quickly. It may call Reconnect and Stats.
	OnState func(State)
}

var (
	// A name of a user has no "/", which separates the parts of queue/USER/NAME. A queue's own
	// name may have some inside, but not in front: "mozci/backfill:1" is one, "/mozci" is none.
	userName  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	queueName = regexp.MustCompile(`^[A-Za-z0-9._-][A-Za-z0-9._/:-]*$`)
)

// longest is the maximum length of a name in AMQP, in bytes: its length is one byte.
const longest = 255

// settled is o with its defaults filled in, or an error when a field makes no sense.
func (o Options) settled() (Options, error) {
	o.URL, o.Vhost = cmp.Or(o.URL, DefaultURL), cmp.Or(o.Vhost, "/")
	o.Expires = cmp.Or(o.Expires, 24*time.Hour)
	o.Prefetch = cmp.Or(o.Prefetch, 200)
	o.Batch, o.MaxBody = cmp.Or(o.Batch, min(100, o.Prefetch)), cmp.Or(o.MaxBody, 1<<20)
	o.Heartbeat, o.CallTimeout = cmp.Or(o.Heartbeat, 10*time.Second), cmp.Or(o.CallTimeout, 15*time.Second)
	o.Retry = cmp.Or(o.Retry, time.Second)
	o.RetryMost = cmp.Or(o.RetryMost, max(time.Minute, o.Retry))
	o.Warn, o.Most = cmp.Or(o.Warn, 2000), cmp.Or(o.Most, 8000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := o.checkURL(); err != nil {
		return o, err
	}
	if err := o.checkNames(); err != nil {
		return o, err
	}
	o.Queue = o.fullName()
	o.Bindings = unique(o.Bindings)
	return o, o.checkNumbers()
}

func invalid(format string, args ...any) error {
	return job.Wrap("pulse.consumer", "", fmt.Errorf("%w: "+format, append([]any{job.ErrInvalid}, args...)...))
}

// checkURL checks the URL. Its errors never show it, since a password may be anywhere in it.
func (o Options) checkURL() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil, u.Scheme != "amqps" && u.Scheme != "amqp", u.Hostname() == "", u.Opaque != "":
		return invalid("URL is not of the form amqps://HOST:PORT")
	case u.User != nil || strings.Contains(o.URL, "@"):
		return invalid("URL has a user or password in it: give them as User and Password")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return invalid("URL has more than amqps://HOST:PORT: give the virtual host as Vhost")
	}
	return nil
}

// address is the broker's host and port, and whether it is spoken to with TLS. For example
// "amqps://pulse.mozilla.org" → "pulse.mozilla.org:5671", true; "amqp://[::1]" → "[::1]:5672",
// false.
func (o Options) address() (hostport string, secure bool) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return "", true
	}
	secure = u.Scheme == "amqps"
	port := u.Port()
	if port == "" && secure {
		port = "5671"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(port, "5672")), secure
}

func (o Options) checkNames() error {
	switch {
	case !userName.MatchString(o.User):
		return invalid("User %q is not a name of Pulse: letters, digits, dot, dash and underscore", o.User)
	case o.Password == "":
		return invalid("Password is empty, of user %s", o.User)
	case len(o.Vhost) > longest:
		return invalid("Vhost is longer than %d bytes", longest)
	case strings.HasPrefix(o.Queue, "queue/") && !strings.HasPrefix(o.Queue, "queue/"+o.User+"/"):
		return invalid("queue %q is not of user %s: its name is queue/%s/NAME, or PulseGuardian deletes it",
			o.Queue, o.User, o.User)
	case o.Queue != "" && !queueName.MatchString(strings.TrimPrefix(o.Queue, "queue/"+o.User+"/")),
		len(o.fullName()) > longest:
		return invalid("Queue %q is not a name: letters, digits and ._/:-, %d in all with queue/%s/",
			o.Queue, longest, o.User)
	case len(o.Bindings) == 0:
		return invalid("there are no Bindings: without them the queue gets no messages")
	}
	for _, b := range o.Bindings {
		if b.Exchange == "" || b.Key == "" || len(b.Exchange) > longest || len(b.Key) > longest {
			return invalid("binding %q of exchange %q: each has 1 to %d bytes, and # is the key for all messages",
				b.Key, b.Exchange, longest)
		}
	}
	return nil
}

// named reports whether the queue has a name, and so outlives its connection.
func (o Options) named() bool { return o.Queue != "" }

func (o Options) fullName() string {
	prefix := "queue/" + o.User + "/"
	switch {
	case o.Queue == "":
		return prefix + strings.ToLower(rand.Text())
	case strings.HasPrefix(o.Queue, prefix):
		return o.Queue
	}
	return prefix + o.Queue
}

func (o Options) checkNumbers() error {
	for _, n := range []struct {
		name           string
		is, least, cap int
	}{
		{"Prefetch", o.Prefetch, 1, 1000},
		{"Batch", o.Batch, 1, o.Prefetch},
		{"MaxBody", o.MaxBody, 1, 16 << 20},
		{"Warn", o.Warn, 1, o.Most},
		{"Most", o.Most, 1, 1 << 30},
	} {
		if n.is < n.least || n.is > n.cap {
			return invalid("%s is %d: it must be from %d to %d", n.name, n.is, n.least, n.cap)
		}
	}
	for _, n := range []struct {
		name           string
		is, least, cap time.Duration
	}{
		{"Expires", o.Expires, time.Minute, 28 * 24 * time.Hour},
		{"Heartbeat", o.Heartbeat, time.Second, 10 * time.Second},
		{"CallTimeout", o.CallTimeout, time.Millisecond, 2 * time.Minute},
		{"Retry", o.Retry, time.Millisecond, o.RetryMost},
		{"RetryMost", o.RetryMost, time.Millisecond, time.Hour},
	} {
		if n.is < n.least || n.is > n.cap {
			return invalid("%s is %s: it must be from %s to %s", n.name, n.is, n.least, n.cap)
		}
	}
	if o.Heartbeat%time.Second != 0 {
		return invalid("Heartbeat is %s: it must be whole seconds", o.Heartbeat)
	}
	return nil
}

// unique are the bindings, each once, in the order of their first occurrence.
func unique(list []Binding) []Binding {
	var out []Binding
	for _, b := range list {
		if !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out
}
