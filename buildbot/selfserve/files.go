package selfserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// ArtifactsExist implements job.ArtifactChecker: whether the package of a build
// and its tests answer. A job that is none of this package's gives [job.ErrInvalid].
func (p *Project) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	files, err := p.files(ctx, j)
	return len(files) > 0, job.Wrap("selfserve.artifacts", j.ID(), err)
}

// files are the URLs of a build's files that are still there; none when one is
// missing.
func (p *Project) files(ctx context.Context, j job.Job) ([]string, error) {
	r, err := recordOf(j)
	if err != nil {
		return nil, err
	}
	b, err := p.ended(ctx, r)
	if err != nil || b == nil {
		return nil, err
	}
	if own := cmp.Or(r.Request.Revision, r.Listing.Revision); own != "" && b.Revision != "" &&
		!sameTwelve(b.Revision, own) {
		return nil, nil // its request was merged into that build, which is of another push
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

// buildFiles are the files of a build that a test can use, of the builds up among
// jobs; without one the error wraps [job.ErrNoBuild] and says why.
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
		return nil, fmt.Errorf("%w: %s ran, and its files are not there", job.ErrNoBuild, of)
	}
	return nil, fmt.Errorf("%w: no run of %s on this push", job.ErrNoBuild, of)
}
