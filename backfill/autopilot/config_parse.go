package autopilot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// Defaults returns the Config of an empty file.
func Defaults() Config {
	return Config{
		Mode: DryRun, Budgets: Budgets{RunsDay: 200, RedRunsDay: 60, MinutesDay: 12000, LabelDay: 40, PoolDay: -1},
		Quiet: 10 * time.Minute, KnownDays: 21, MaxAge: 6 * time.Hour, MaxRuns: 40, MaxRevisions: 40, Queue: 100,
		Together: 10, Cases: 4, Undecided: 5,
	}
}

// ParseConfig reads the autopilot's file, a JSON object. Its names are those of the fields of
// Config and Budgets in snake_case, except that "kind" is Budgets.Kinds, and "pool" is
// Budgets.Pools when it is an object and Budgets.PoolDay when it is a number. Durations are
// seconds, or text such as "10m". An unknown or repeated name, or a value that makes no sense,
// gives an error that wraps job.ErrInvalid and names the field.
func ParseConfig(text []byte) (Config, error) {
	c := Defaults()
	err := c.read(text)
	if err == nil {
		err = c.Check()
	}
	return c, job.Wrap("autopilot.config", "", err)
}

// Check returns an error that wraps job.ErrInvalid and names the first field that makes no sense.
// The zero Config is refused; begin with Defaults. A Mode of Off needs no repositories.
func (c Config) Check() error {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", job.ErrInvalid, field, fmt.Sprintf(format, args...))
	}
	switch {
	case len(c.Repositories) == 0 && c.Mode != Off:
		return bad("repositories", "the list is empty; name at least one repository")
	case c.Mode != Off && c.Mode != DryRun && c.Mode != Act:
		return bad("mode", "%q is not a mode; expected off, dry_run or act", c.Mode)
	}
	for field, globs := range map[string][]string{
		"repositories": c.Repositories, "labels": c.Labels, "budgets.pool": slices.Collect(maps.Keys(c.Budgets.Pools)),
	} {
		for _, g := range globs {
			if _, err := path.Match(g, ""); err != nil || strings.TrimSpace(g) == "" {
				return bad(field, "%q is not a valid glob pattern", g)
			}
		}
	}
	for kind := range c.Budgets.Kinds {
		if _, err := job.ParseKind(kind); err != nil {
			return bad("budgets.kind", "%q is not a kind; expected build, test, perf or other", kind)
		}
	}
	for _, n := range []struct {
		field  string
		v, low int
	}{
		{"known_days", c.KnownDays, 1},
		{"max_runs", c.MaxRuns, 1},
		{"max_revisions", c.MaxRevisions, 1},
		{"queue", c.Queue, 0},
		{"together", c.Together, 1},
		{"cases", c.Cases, 1},
		{"undecided", c.Undecided, 1},
		{"budgets.runs_day", c.Budgets.RunsDay, -1},
		{"budgets.red_runs_day", c.Budgets.RedRunsDay, -1},
		{"budgets.minutes_day", c.Budgets.MinutesDay, -1},
		{"budgets.label_day", c.Budgets.LabelDay, -1},
		{"budgets.pool", c.Budgets.PoolDay, -1},
	} {
		if n.v < n.low || n.v > 1e6 {
			return bad(n.field, "%d is out of range; expected %d to 1000000", n.v, n.low)
		}
	}
	for field, limits := range map[string]map[string]int{
		"budgets.pool": c.Budgets.Pools,
		"budgets.kind": c.Budgets.Kinds,
	} {
		for name, v := range limits {
			if v < -1 || v > 1e6 {
				return bad(field+" "+name, "%d is out of range; expected -1 to 1000000", v)
			}
		}
	}
	return c.checkTimes(bad)
}

// checkTimes checks the durations and the webhook.
func (c Config) checkTimes(bad func(field, format string, args ...any) error) error {
	switch {
	case c.Quiet < 0 || c.Quiet > day:
		return bad("quiet", "%s is out of range; expected 0 to 24h", c.Quiet)
	case c.MaxAge <= c.Quiet || c.MaxAge > 30*day:
		return bad("max_age", "%s is out of range; expected more than quiet (%s) and at most 30 days", c.MaxAge,
			c.Quiet)
	case c.KnownDays > 366:
		return bad("known_days", "%d is out of range; expected 1 to 366", c.KnownDays)
	}
	if c.Webhook != "" {
		u, err := url.Parse(c.Webhook)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return bad("webhook", "expected a URL that begins with https://") // it may hold a secret
		}
	}
	return nil
}

// fields maps the names in the file to the fields, as pointers that value writes through.
func (c *Config) fields() map[string]any {
	return map[string]any{
		"repositories": &c.Repositories, "labels": &c.Labels, "mode": &c.Mode, "budgets": &c.Budgets, "quiet": &c.Quiet,
		"known_days": &c.KnownDays, "max_age": &c.MaxAge, "max_runs": &c.MaxRuns, "max_revisions": &c.MaxRevisions,
		"queue": &c.Queue, "together": &c.Together, "cases": &c.Cases, "undecided": &c.Undecided, "webhook": &c.Webhook,
		"off_file": &c.OffFile,
	}
}

// read overwrites the fields that the file names and leaves the others.
func (c *Config) read(text []byte) error {
	return object(text, "", func(name string, raw json.RawMessage) error {
		to, ok := c.fields()[name]
		if !ok {
			return unknown(name, slices.Sorted(maps.Keys(c.fields())))
		}
		switch v := to.(type) {
		case *time.Duration:
			return duration(name, raw, v)
		case *Budgets:
			return v.read(raw)
		}
		return value(name, raw, to)
	})
}

// read is as Config.read for the object "budgets": "pool": 50 limits every platform, and "pool":
// {"linux*": 50} the labels that match.
func (b *Budgets) read(text []byte) error {
	fields := map[string]any{
		"runs_day": &b.RunsDay, "red_runs_day": &b.RedRunsDay, "minutes_day": &b.MinutesDay, "label_day": &b.LabelDay,
		"pool": &b.Pools, "kind": &b.Kinds,
	}
	return object(text, "budgets.", func(name string, raw json.RawMessage) error {
		to, ok := fields[name]
		if !ok {
			return unknown("budgets."+name, slices.Sorted(maps.Keys(fields)))
		}
		if name == "pool" && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
			to = &b.PoolDay
		}
		return value("budgets."+name, raw, to)
	})
}

// unknown is the error of a name that is no field. The names that are come with it.
func unknown(name string, known []string) error {
	return fmt.Errorf("%w: %s: unknown field; the fields are %s", job.ErrInvalid, job.Visible(name),
		strings.Join(known, ", "))
}

// object calls each for every member of a JSON object, in their order. A repeated name is an error,
// which encoding/json would not say, and so is text after the object. prefix stands before the name
// in errors: "budgets." gives "budgets.runs_day appears twice".
func object(text []byte, prefix string, each func(name string, raw json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	malformed := func(err error) error {
		if errors.Is(err, io.EOF) { // a text that ends too early, also the empty one
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%w: %s%w", job.ErrInvalid, where(prefix), err)
	}
	t, err := d.Token()
	if err != nil {
		return malformed(err)
	}
	if t != json.Delim('{') {
		return malformed(errors.New("expected an object"))
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return malformed(err)
		}
		name, _ := t.(string)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return malformed(err)
		}
		if seen[name] {
			return fmt.Errorf("%w: %s%s appears twice", job.ErrInvalid, prefix, job.Visible(name))
		}
		seen[name] = true
		if err := each(name, raw); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed(errors.New("unexpected text after the object"))
	}
	return nil
}

// where is a prefix at the beginning of a sentence: "budgets." becomes "budgets: ", and "" stays.
func where(prefix string) string {
	if prefix == "" {
		return ""
	}
	return strings.TrimSuffix(prefix, ".") + ": "
}

// value reads one value into a field. null is an error, because encoding/json would leave the field
// as it is and say nothing.
func value(field string, raw json.RawMessage, to any) error {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return fmt.Errorf("%w: %s: null; leave it out for the default", job.ErrInvalid, field)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return fmt.Errorf("%w: %s: %s, expected %s", job.ErrInvalid, field, typed.Value, plain(to))
		}
		return fmt.Errorf("%w: %s: %w", job.ErrInvalid, field, err)
	}
	return nil
}

// plain says in words which type a field has, for an error: Go's names of types mean little to who
// writes the file.
func plain(to any) string {
	switch to.(type) {
	case *[]string:
		return "a list of texts"
	case *int:
		return "a whole number"
	case *map[string]int:
		return "an object of whole numbers"
	}
	return "a text"
}

// duration reads a duration: seconds, or text such as "10m". 90, 90.0 and "1m30s" are the same;
// "90" has no unit and is an error. Check refuses what is out of range; the bound here only keeps
// the product from overflowing.
func duration(field string, raw json.RawMessage, to *time.Duration) error {
	var n float64
	if json.Unmarshal(raw, &n) == nil && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		if math.Abs(n) > 1e9 {
			return fmt.Errorf("%w: %s: %g seconds is too long", job.ErrInvalid, field, n)
		}
		*to = time.Duration(n * float64(time.Second))
		return nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil && s != "" {
		if d, err := time.ParseDuration(s); err == nil {
			*to = d
			return nil
		}
	}
	return fmt.Errorf("%w: %s: %s, expected seconds or text such as \"10m\"", job.ErrInvalid, field,
		job.Visible(string(raw[:min(len(raw), 40)])))
}
