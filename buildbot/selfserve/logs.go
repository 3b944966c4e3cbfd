package selfserve

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// OpenLog implements job.LogOpener: the log that the dump names, and files that
// the run uploaded. A run that the dumps do not have, or that has no such log, gives
// [job.ErrNotFound].
func (p *Project) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	const op = "selfserve.log"
	return bounded(ctx, p.c, op, j.ID(), func(within context.Context) (io.ReadCloser, error) {
		url, err := p.logURL(within, j, which)
		if err != nil {
			return nil, err
		}
		r, err := opening(within, ctx, func(ctx context.Context) (io.ReadCloser, error) {
			return p.c.rest.Open(ctx, rest.Call{URL: url, Timeout: 10 * time.Minute, MaxBody: mostDump})
		})
		return r, job.OfHTTP(op, url, err)
	})
}

// logURL is where a log of a run is.
func (p *Project) logURL(ctx context.Context, j job.Job, which job.LogKind) (string, error) {
	record, ok := j.Raw().(Record)
	if !ok { // only an ID, as a person gives it
		id, err := requestOf(j.ID())
		if err != nil {
			return "", err
		}
		if record.Request, err = p.c.request(ctx, p.repo, id); err != nil {
			return "", err
		}
	}
	b, err := p.ended(ctx, record)
	if err != nil {
		return "", err
	}
	if b == nil {
		return "", fmt.Errorf("%w: the dumps do not have the run", job.ErrNotFound)
	}
	url := b.log(which)
	if url == "" {
		return "", fmt.Errorf("%w: the run has no %s log", job.ErrNotFound, which)
	}
	return url, nil
}

// log is the URL of a log of a build; empty where it has none of the kind.
func (b *DumpBuild) log(which job.LogKind) string {
	end, ok := map[job.LogKind]string{job.LogErrorSummary: "_errorsummary.log", job.LogStructured: "_raw.log"}[which]
	switch {
	case which == job.LogPerf: // what it measured is in its log
		return ""
	case !ok:
		return b.LogURL
	}
	url := ""
	blobs := b.Blobs()
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if strings.HasSuffix(name, end) {
			url = blobs[name]
		}
	}
	return url
}
