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

// young is how old a run may be for the dump of the last hours to have it.
const young = 4 * time.Hour

const recent = "builds-4hr.js.gz"

// dumps finds builds in the status dumps: it fetches those that are needed, each once
// for all who want it.
type dumps struct {
	base  string
	rest  *rest.Client
	dir   string // keeps the dumps of days that are over; empty for none
	bytes int64  // of dir, at most
	now   func() time.Time
	log   *slog.Logger

	fetches *flight.Cache[string, dump] // under way, by name
	there   *flight.Cache[string, dump]
	gone    *flight.Cache[string, dump] // those that are not there
}

// How many dumps are held in memory, of which one is up to some 100 MB, and of how
// many it is remembered that they are not there. Those used longest ago are dropped.
const (
	mostDumps = 4
	mostGone  = 1000
)

// dump is a dump as it was read, or that it was not there.
type dump struct {
	index *index
	err   error // that it is not there
	read  time.Time
}

// dumpOf names the dump that has a run which ended then.
func dumpOf(finished, now time.Time) string {
	if now.Sub(finished) < young {
		return recent
	}
	return "builds-" + finished.UTC().Format(time.DateOnly) + ".js.gz"
}

// over reports whether a dump can change no more.
func over(name string, now time.Time) bool {
	at, err := time.Parse("builds-2006-01-02.js.gz", name)
	return err == nil && now.After(at.Add(24*time.Hour+young))
}

// question is what one call wants to know of the dumps, perhaps about many pushes: a dump
// is as it was when the question began, or later, and one that could not be read is not
// tried again.
type question struct {
	d      *dumps
	asked  time.Time
	failed map[string]error // by the names of dumps
	found  map[sought]looked
}

// sought is a run that is looked up: its request, its build's number or anyNumber, and
// when it ended.
type sought struct {
	request  int64
	number   int
	finished time.Time
}

// looked is what became of that.
type looked struct {
	build *DumpBuild
	err   error
}

// question begins one, which is of one goroutine.
func (d *dumps) question() *question {
	return &question{d: d, asked: d.now(), failed: map[string]error{}, found: map[sought]looked{}}
}

// find looks a run up. Nil is that the dump does not have it; ErrNotFound that there is
// no such dump.
func (q *question) find(ctx context.Context, run sought) (*DumpBuild, error) {
	if known, ok := q.found[run]; ok {
		return known.build, known.err
	}
	name := dumpOf(run.finished, q.asked)
	b, err := q.in(ctx, name, run)
	if b == nil && err == nil && name == recent {
		// At the edge: the newest dump of the day has older runs.
		b, err = q.in(ctx, dumpOf(run.finished, run.finished.Add(2*young)), run)
		if errors.Is(err, job.ErrNotFound) {
			b, err = nil, nil // today's is not there yet
		}
	}
	q.found[run] = looked{b, err}
	return b, err
}

// in looks into one dump, and returns a copy of the build, so that who keeps it does not
// keep the dump.
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

// dump is a dump in which a run is looked up. It is fetched again, once, on a miss, where
// it was read before the question and can have changed.
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

// fresh is how long a dump that still changes is believed on a miss. The dump of
// the last hours was rewritten every few minutes.
const fresh = time.Minute

// has reports whether a dump has a run.
func (x dump) has(run sought) bool {
	return x.index != nil && x.index.find(run.request, run.number) != nil
}

// known is a dump as it was read last.
func (d *dumps) known(name string) (dump, bool) {
	if x, ok := d.there.Get(name); ok {
		return x, true
	}
	return d.gone.Get(name)
}

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

// fetch reads a dump: from the disk, or from the service.
func (d *dumps) fetch(ctx context.Context, name string) (dump, error) {
	const op = "selfserve.dump"
	keep := d.dir != "" && over(name, d.now())
	if keep {
		if x, ok := d.load(ctx, name); ok {
			return dump{index: x, read: d.now()}, nil
		}
	}
	url := d.asked(name).URL
	// Packed by name, and perhaps once more for the way: the first bytes say.
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
