package selfserve

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// young is how long ago a run may have ended and still be in the dump of the last hours.
const young = 4 * time.Hour

// recent is the dump of the last hours.
const recent = "builds-4hr.js.gz"

// dumps finds builds in the status dumps. It fetches a dump when a question needs it, once for
// all callers that want it at the same time.
type dumps struct {
	base  string
	rest  *rest.Client
	dir   string // the folder with the dumps of past days; "" when none are kept
	bytes int64  // the largest size of that folder
	now   func() time.Time
	log   *slog.Logger

	fetches *flight.Cache[string, dump] // fetches under way, by the dump's name
	there   *flight.Cache[string, dump] // dumps in memory, by name
	gone    *flight.Cache[string, dump] // dumps that the service does not have, by name
}

// How many dumps are held in memory, each up to about 100 MB, and how many missing dumps are
// remembered. Those used longest ago are dropped.
const (
	mostDumps = 4
	mostGone  = 1000
)

// dump is a dump that was read, or one that is missing.
type dump struct {
	index *index
	err   error     // says that the service does not have it; nil otherwise
	read  time.Time // by the service's clock
}

// dumpOf names the dump with the runs that ended at a time. At 12:00 a run that ended at 09:30
// is in builds-4hr, and one that ended at 07:00 in the dump of the day, in UTC.
func dumpOf(finished, now time.Time) string {
	if now.Sub(finished) < young {
		return recent
	}
	return "builds-" + finished.UTC().Format(time.DateOnly) + ".js.gz"
}

// over reports whether a dump cannot change any more: its day ended at least 4 hours ago. At
// 2015-07-03 03:59 UTC the dump builds-2015-07-02 may still grow, at 04:01 it cannot. builds-4hr
// is never over.
func over(name string, now time.Time) bool {
	at, err := time.Parse("builds-2006-01-02.js.gz", name)
	return err == nil && now.After(at.Add(24*time.Hour+young))
}

// question is one call, perhaps about many pushes. The dumps that it uses are as old as its
// beginning or newer, apart from those that have the run anyway. A dump that could not be read
// is not tried again within the question.
type question struct {
	d      *dumps
	asked  time.Time        // when it began, by the service's clock
	failed map[string]error // by the names of dumps
	found  map[sought]looked
}

// sought is a run to look up: its request, the number of its build (or anyNumber), and when it
// ended.
type sought struct {
	request  int64
	number   int
	finished time.Time
}

// looked is the result of looking a run up.
type looked struct {
	build *DumpBuild
	err   error
}

// question begins a question. Use it in one goroutine only.
func (d *dumps) question() *question {
	return &question{d: d, asked: d.now(), failed: map[string]error{}, found: map[sought]looked{}}
}

// find looks a run up. It returns nil when the dump does not have the run, and
// job.ErrNotFound when the service does not have the dump.
//
// A run that ended at 08:05 is looked for at 12:00 in builds-4hr and then in the dump of the
// day; one that ended at 07:00 in the dump of the day only.
func (q *question) find(ctx context.Context, run sought) (*DumpBuild, error) {
	if known, ok := q.found[run]; ok {
		return known.build, known.err
	}
	name := dumpOf(run.finished, q.asked)
	b, err := q.in(ctx, name, run)
	if b == nil && err == nil && name == recent {
		// The run ended nearly 4 hours ago, so it may have dropped out of builds-4hr: look
		// into the dump of its day as well.
		b, err = q.in(ctx, dumpOf(run.finished, run.finished.Add(2*young)), run)
		if errors.Is(err, job.ErrNotFound) {
			b, err = nil, nil // today's dump does not exist yet
		}
	}
	q.found[run] = looked{b, err}
	return b, err
}

// in looks a run up in one dump. It returns a copy of the build: a pointer into the dump would
// keep the whole dump in memory.
func (q *question) in(ctx context.Context, name string, run sought) (*DumpBuild, error) {
	const op = "selfserve.dump"
	if err := q.failed[name]; err != nil {
		return nil, err
	}
	x, err := q.d.dump(ctx, name, run, q.asked)
	if err == nil {
		err = cmp.Or(ctx.Err(), x.err)
	}
	if err != nil {
		q.failed[name] = job.Wrap(op, name, err)
		return nil, q.failed[name]
	}
	b := x.index.find(run.request, run.number)
	if b == nil {
		return nil, nil
	}
	own := *b
	return &own, nil
}

// dump returns the dump with this name, to look up a run in it. It fetches the dump again when
// the one in memory lacks the run, may have changed, and was read before the question began;
// that happens at most once in a question.
//
//	in memory, has the run                           used
//	in memory, lacks it, and its day is over         used: it will never have it
//	in memory, lacks it, read less than 1 min ago    used
//	in memory, lacks it, read at 11:50, asked at 12  fetched again
//	not in memory                                    fetched
//
// The one minute is counted back from the beginning of the question, so a dump that was read
// during the question is never fetched a second time.
func (d *dumps) dump(ctx context.Context, name string, run sought, asked time.Time) (dump, error) {
	x, known := d.known(name)
	if known && (x.has(run) || over(name, asked) || asked.Sub(x.read) < fresh) {
		return x, nil
	}
	return d.fetches.Do(ctx, name, func(ctx context.Context) (dump, bool, error) {
		if x, ok := d.known(name); ok && !x.read.Before(asked) {
			return x, false, nil // another caller was faster
		}
		x, err := d.fetch(ctx, name)
		d.keep(name, x, err)
		return x, false, err
	})
}

// fresh is how long a dump that still changes is not fetched again although it lacks a run. The
// dump of the last hours was rewritten every few minutes.
const fresh = time.Minute

// has reports whether a dump has a run.
func (x dump) has(run sought) bool {
	return x.index != nil && x.index.find(run.request, run.number) != nil
}

// known returns a dump as it was last read; false when it was never read.
func (d *dumps) known(name string) (dump, bool) {
	if x, ok := d.there.Get(name); ok {
		return x, true
	}
	return d.gone.Get(name)
}

// keep remembers a dump, or that it is missing. After an error nothing is known.
func (d *dumps) keep(name string, x dump, err error) {
	switch {
	case err != nil:
	case x.err != nil:
		d.there.Forget(name)
		d.gone.Put(name, x)
	default:
		d.gone.Forget(name)
		d.there.Put(name, x)
	}
}

// asked is the request for a dump.
func (d *dumps) asked(name string) contract.Asked { return contract.Asked{URL: d.base + "/" + name} }

// fetch reads a dump from disk or from the service. A dump that the service does not have is a
// result, not an error.
func (d *dumps) fetch(ctx context.Context, name string) (dump, error) {
	const op = "selfserve.dump"
	keep := d.dir != "" && over(name, d.now())
	if keep {
		if x, ok := d.load(ctx, name); ok {
			return dump{index: x, read: d.now()}, nil
		}
	}
	url := d.asked(name).URL
	// The file is gzipped, and Go's client must not decompress it: it may be gzipped twice, for
	// the transport as well. The first bytes will tell.
	req := rest.Call{
		URL: url, Header: http.Header{"Accept-Encoding": {"identity"}}, Timeout: 10 * time.Minute, MaxBody: mostDump,
	}
	var x *index
	err := d.rest.Stream(ctx, req, func(in io.Reader) (err error) {
		if keep {
			x, err = d.save(name, in)
		} else {
			x, err = readIndex(in, d.asked(name))
		}
		return err
	})
	switch {
	case err == nil:
		return dump{index: x, read: d.now()}, nil
	case errors.Is(err, job.ErrMalformed):
		return dump{}, job.Wrap(op, url, err)
	}
	if err = job.OfHTTP(op, url, err); errors.Is(err, job.ErrNotFound) {
		return dump{err: err, read: d.now()}, nil
	}
	return dump{}, err
}
