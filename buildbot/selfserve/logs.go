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

// OpenLog implements job.LogOpener. The text log is the one that the dump names; the other kinds
// are files that the run uploaded. A run that is not in the dumps, or has no such log, gives
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

// logURL is the URL of a log of a run. For a job that has only an ID, as a person gives it, it
// reads the request first.
func (p *Project) logURL(ctx context.Context, j job.Job, which job.LogKind) (string, error) {
	record, ok := j.Raw().(Record)
	if !ok {
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

// log is the URL of a log of a build; "" when it has none of this kind. When several files
// match, the last by name is taken. For LogErrorSummary it is the file
// mochitest-plain_errorsummary.log, for example.
func (b *DumpBuild) log(which job.LogKind) string {
	end, ok := map[job.LogKind]string{job.LogErrorSummary: "_errorsummary.log", job.LogStructured: "_raw.log"}[which]
	switch {
	case which == job.LogPerf: // measurements were in the text log, not in files of their own
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
