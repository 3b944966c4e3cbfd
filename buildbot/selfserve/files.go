package selfserve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// ArtifactsExist implements job.ArtifactChecker: it reports whether the package of a build and
// its tests can still be fetched. A job of another package gives [job.ErrInvalid].
func (p *Project) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	return bounded(ctx, p.c, "selfserve.artifacts", j.ID(), func(ctx context.Context) (bool, error) {
		files, err := p.files(ctx, j)
		return len(files) > 0, err
	})
}

// files returns the URLs of a build's files if all of them are still there, and nil if one is
// missing. It sends a HEAD request for each. A 4xx means missing; any other failure is an
// error, since the file may well be there.
func (p *Project) files(ctx context.Context, j job.Job) ([]string, error) {
	r, err := recordOf(j)
	if err != nil {
		return nil, err
	}
	b, err := p.ended(ctx, r)
	if err != nil || b == nil {
		return nil, err
	}
	own, err := ofRun(r.Listing, r.Request, b)
	if err != nil || !own {
		return nil, err // merged into the build of another push, or of an unknown one
	}
	files := b.Files()
	for _, f := range files {
		_, err := p.c.rest.Do(ctx, rest.Call{Method: http.MethodHead, URL: f})
		var failed *rest.Error
		if errors.As(err, &failed) && failed.Status >= 400 && failed.Status < 500 {
			return nil, nil
		}
		if err != nil {
			return nil, job.OfHTTP("selfserve.files", f, err)
		}
	}
	return files, nil
}

// buildFiles returns the files of the first of the jobs that is one of the builds up and still
// has its files. Without one the error wraps [job.ErrNoBuild] and says why. With the builds A
// (coalesced), B (running) and C (ended, with files), the files are those of C. Without C the
// error says that B has not ended.
func (p *Project) buildFiles(ctx context.Context, jobs []job.Job, up []string) ([]string, error) {
	running, ran := 0, 0
	for _, j := range jobs {
		if !slices.Contains(up, j.Name()) || j.Status() == job.StatusCoalesced {
			continue
		}
		if j.Status().Waiting() {
			running++
			continue
		}
		ran++
		files, err := p.files(ctx, j)
		if err != nil || len(files) > 0 {
			return files, err
		}
	}
	of := strings.Join(up, " or ")
	switch {
	case running > 0:
		return nil, fmt.Errorf("%w: %s has not ended", job.ErrNoBuild, of)
	case ran > 0:
		return nil, fmt.Errorf("%w: %s ran, but its files are not there", job.ErrNoBuild, of)
	}
	return nil, fmt.Errorf("%w: no run of %s on this push", job.ErrNoBuild, of)
}
