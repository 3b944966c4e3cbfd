package pulse_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

func someOptions() pulse.Options {
	return pulse.Options{
		User: "ann", Password: "s3cr3t", Queue: "a",
		Bindings: []pulse.Binding{{Exchange: "exchange/x", Key: "#"}},
	}
}

// Options that make no sense are refused before anything is connected, and neither
// password nor URL is shown.
func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*pulse.Options){
		"URL is not of the form":              func(o *pulse.Options) { o.URL = "https://s3cr3t.example" },
		"URL is not of the form ":             func(o *pulse.Options) { o.URL = "amqps://u:s3cr3t%zz@h" },
		"amqps://HOST:PORT":                   func(o *pulse.Options) { o.URL = "amqps:s3cr3t" },
		"URL has a user or password in it":    func(o *pulse.Options) { o.URL = "amqps://u:s3cr3t@h" },
		"URL has a user or password":          func(o *pulse.Options) { o.URL = "amqps://u/s3cr3t@h" },
		"give them as User and Password":      func(o *pulse.Options) { o.URL = "amqps://u:1?s3cr3t@h" },
		"give the virtual host as Vhost":      func(o *pulse.Options) { o.URL = "amqps://h/s3cr3t" },
		"URL has more":                        func(o *pulse.Options) { o.URL = "amqps://h?heartbeat=0" },
		`User ""`:                             func(o *pulse.Options) { o.User = "" },
		`User "a/b"`:                          func(o *pulse.Options) { o.User = "a/b" },
		"Password is empty, of user ann":      func(o *pulse.Options) { o.Password = "" },
		"queue/ann/NAME, or PulseGuardian":    func(o *pulse.Options) { o.Queue = "queue/bob/a" },
		`Queue "a\nb"`:                        func(o *pulse.Options) { o.Queue = "a\nb" },
		`Queue "queue/ann/"`:                  func(o *pulse.Options) { o.Queue = "queue/ann/" },
		"255 in all":                          func(o *pulse.Options) { o.Queue = strings.Repeat("a", 250) },
		"no Bindings":                         func(o *pulse.Options) { o.Bindings = nil },
		`binding "" of exchange "exchange/x"`: func(o *pulse.Options) { o.Bindings[0].Key = "" },
		`binding "#" of exchange ""`:          func(o *pulse.Options) { o.Bindings[0].Exchange = "" },
		"Vhost is longer than 255 bytes":      func(o *pulse.Options) { o.Vhost = strings.Repeat("v", 256) },
		"Prefetch is 1001":                    func(o *pulse.Options) { o.Prefetch = 1001 },
		"Prefetch is -1":                      func(o *pulse.Options) { o.Prefetch = -1 },
		"Batch is 11: it must be from 1 to 10": func(o *pulse.Options) {
			o.Prefetch, o.Batch = 10, 11
		},
		"MaxBody is -1":         func(o *pulse.Options) { o.MaxBody = -1 },
		"Warn is 9000":          func(o *pulse.Options) { o.Warn = 9000 },
		"Expires is 1s":         func(o *pulse.Options) { o.Expires = time.Second },
		"Heartbeat is 11s":      func(o *pulse.Options) { o.Heartbeat = 11 * time.Second },
		"Heartbeat is 1.5s: it": func(o *pulse.Options) { o.Heartbeat = 1500 * time.Millisecond },
		"CallTimeout is -1ns":   func(o *pulse.Options) { o.CallTimeout = -1 },
		"Retry is 2s: it must be from 1ms": func(o *pulse.Options) {
			o.Retry, o.RetryMost = 2*time.Second, time.Second
		},
	} {
		o := someOptions()
		change(&o)
		_, err := pulse.NewConsumer(&store{}, o)
		var e *job.Error
		want = strings.TrimSpace(want)
		if !errors.Is(err, job.ErrInvalid) || !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
	if _, err := pulse.NewConsumer(nil, someOptions()); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("without a Store: %v", err)
	}
}

// A queue has the name of its user in it, and one without a name a new one each time.
func TestQueueNames(t *testing.T) {
	name := func(queue string) string {
		o := someOptions()
		o.Queue = queue
		c, err := pulse.NewConsumer(&store{}, o)
		if err != nil {
			t.Fatal(err)
		}
		return c.Queue()
	}
	for _, q := range []string{"a/b", "queue/ann/a/b"} {
		if got := name(q); got != "queue/ann/a/b" {
			t.Errorf("%q is %q", q, got)
		}
	}
	one, two := name(""), name("")
	if one == two || len(one) < len("queue/ann/")+20 || !strings.HasPrefix(one, "queue/ann/") {
		t.Errorf("%q and %q", one, two)
	}
}

// A Secret is shown by nothing that prints, logs or writes JSON.
func TestSecret(t *testing.T) {
	o := someOptions()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "options", o, "password", o.Password)
	log = slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "options", o, "password", o.Password)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, format, o.Password)
		fmt.Fprintf(&out, format, struct{ P pulse.Secret }{o.Password})
	}
	c, err := pulse.NewConsumer(&store{}, o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v %+v %#v %s", c, c, c, c)
	raw, err := o.Password.MarshalText() // as every writer of JSON calls it
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	if strings.Contains(out.String(), "s3cr3t") || !strings.Contains(out.String(), "REDACTED") {
		t.Errorf("a secret is shown: %s", out.String())
	}
	if string(o.Password) != "s3cr3t" || pulse.Secret("").String() != "" {
		t.Error("the secret itself is gone, or none is shown as one")
	}
}
