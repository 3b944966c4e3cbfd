package selfserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// young is how old a run may be for the dump of the last hours to have it.
const young = 4 * time.Hour

const recent = "builds-4hr.js.gz"

// dumps finds builds in the status dumps: it fetches those that are needed.
type dumps struct {
	base  string
	rest  *rest.Client
	dir   string // keeps the dumps of days that are over; empty for none
	bytes int64  // of dir, at most
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	days map[string]*day
	used []string // names of days, that used last is last
}

// day is one dump. Its lock is held while it is fetched.
type day struct {
	mu    sync.Mutex
	index *index
	err   error     // that it is not there
	asked time.Time // when that was said
}

// kept is how many dumps are held in memory.
const kept = 4

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

// find looks a run up: its request, its build's number or 0, when it ended. Nil
// is that the dump does not have it; ErrNotFound that there is no such dump.
func (d *dumps) find(ctx context.Context, request int64, number int, finished time.Time) (*DumpBuild, error) {
	asked := d.now()
	name := dumpOf(finished, asked)
	b, err := d.in(ctx, name, request, number, asked)
	if b == nil && err == nil && name == recent {
		// At the edge: the newest dump of the day has older runs.
		b, err = d.in(ctx, dumpOf(finished, finished.Add(2*young)), request, number, asked)
		if errors.Is(err, job.ErrNotFound) {
			b, err = nil, nil // today's is not there yet
		}
	}
	return b, err
}

// in looks into one dump, which is fetched again, once, on a miss, where it was
// read before the question and can have changed.
func (d *dumps) in(ctx context.Context, name string, request int64, number int, asked time.Time) (*DumpBuild, error) {
	x := d.day(name)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.index == nil && x.err == nil {
		if err := d.fetch(ctx, name, x); err != nil {
			return nil, err
		}
	}
	if x.err != nil && (over(name, asked) || asked.Sub(x.asked) < fresh) {
		return nil, x.err
	}
	if x.index != nil {
		if b := x.index.find(request, number); b != nil || over(name, asked) || asked.Sub(x.index.read) < fresh {
			return b, nil
		}
	}
	if err := d.fetch(ctx, name, x); err != nil {
		return nil, err
	}
	if x.err != nil {
		return nil, x.err
	}
	return x.index.find(request, number), nil
}

// fresh is how long a dump that still changes is believed on a miss. The dump of
// the last hours was rewritten every few minutes.
const fresh = time.Minute

// day is the entry of a dump; the one used longest ago is forgotten.
func (d *dumps) day(name string) *day {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.days[name]
	if x == nil {
		x = &day{}
		d.days[name] = x
	}
	d.used = append(slices.DeleteFunc(d.used, func(s string) bool { return s == name }), name)
	if len(d.used) > kept {
		delete(d.days, d.used[0])
		d.used = d.used[1:]
	}
	return x
}

// fetch reads a dump into x: from the disk, or from the service.
func (d *dumps) fetch(ctx context.Context, name string, x *day) error {
	const op = "selfserve.dump"
	keep := d.dir != "" && over(name, d.now())
	if keep && d.load(ctx, name, x) {
		return nil
	}
	url := d.base + "/" + name
	// Packed by name, and perhaps once more for the way: the first bytes say.
	req := rest.Call{
		URL: url, Header: http.Header{"Accept-Encoding": {"identity"}}, Timeout: 10 * time.Minute, MaxBody: mostDump,
	}
	read := func(in io.Reader) error {
		var err error
		if !keep {
			x.index, err = readIndex(in)
			return err
		}
		x.index, err = d.save(name, in)
		return err
	}
	err := d.rest.Stream(ctx, req, read)
	if err == nil {
		x.index.read, x.err = d.now(), nil
		return nil
	}
	x.index = nil
	if !errors.Is(err, job.ErrMalformed) {
		err = job.OfHTTP(op, url, err)
	} else {
		err = job.Wrap(op, url, err)
	}
	if errors.Is(err, job.ErrNotFound) {
		x.err, x.asked = err, d.now()
		return nil
	}
	return err
}

// load reads a dump from the disk; one that is torn is fetched again.
func (d *dumps) load(ctx context.Context, name string, x *day) bool {
	path := filepath.Join(d.dir, name)
	f, err := os.Open(path) // #nosec G304 -- a dump's name in the caller's folder
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	found, err := readIndex(f)
	if err != nil {
		d.log.WarnContext(ctx, "a kept dump is torn, fetching it again", "file", path, "error", err)
		return false
	}
	found.read = d.now()
	x.index = found
	return true
}

// save reads a dump and keeps it: whole, or not at all.
func (d *dumps) save(name string, in io.Reader) (*index, error) {
	if err := os.MkdirAll(d.dir, 0o750); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	f, err := os.CreateTemp(d.dir, "fetching-*")
	if err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone once it is renamed
	tee := io.TeeReader(in, f)
	x, err := readIndex(tee)
	if err == nil {
		_, err = io.Copy(io.Discard, tee) // the end of the packing
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), filepath.Join(d.dir, name)); err != nil {
		return nil, fmt.Errorf("keeping a dump: %w", err)
	}
	return x, d.trim(name)
}

// trim removes the oldest dumps while they are too large together, but not the
// one that was kept just now.
func (d *dumps) trim(but string) error {
	all, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("keeping a dump: %w", err)
	}
	type file struct {
		name string
		info os.FileInfo
	}
	var files []file
	sum := int64(0)
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "builds-") {
			continue
		}
		sum += info.Size()
		files = append(files, file{e.Name(), info})
	}
	slices.SortFunc(files, func(a, b file) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, f := range files {
		if sum <= d.bytes {
			break
		}
		if f.name == but {
			continue
		}
		if err := os.Remove(filepath.Join(d.dir, f.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("keeping a dump: %w", err)
		}
		sum -= f.info.Size()
	}
	return nil
}
