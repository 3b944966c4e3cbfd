package buildbot

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// readBuilders reads all builders, sorted by id.
func (c *Client) readBuilders(ctx context.Context) ([]Builder, error) {
	all, err := get(ctx, c, "buildbot.builders", "", c.path("builders"), builderList)
	slices.SortFunc(all, func(a, b Builder) int { return a.ID - b.ID })
	return all, err
}

func (c *Client) readForms(ctx context.Context) ([]forceScheduler, error) {
	return get(ctx, c, "buildbot.forceschedulers", "", c.path("forceschedulers"), formList)
}

// allBuilders returns all builders, retired ones too, as they were at most 1 minute ago.
func (c *Client) allBuilders(ctx context.Context) ([]Builder, error) {
	all, err := c.builders.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.builders", "", err)
}

// forceSchedulers returns the force schedulers, as they were at most 1 minute ago.
func (c *Client) forceSchedulers(ctx context.Context) ([]forceScheduler, error) {
	all, err := c.forms.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.forceschedulers", "", err)
}

// builder finds a builder by its id.
func (c *Client) builder(ctx context.Context, id int) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.ID == id })
}

// builderNamed finds a builder by its name. It looks in the list of all builders, since a name
// with spaces or slashes cannot be part of a URL.
func (c *Client) builderNamed(ctx context.Context, name string) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.Name == name })
}

// find looks for a builder in the remembered list, and once more in a fresh one, as it may be
// new. The second time the list is at most 2 seconds old, so names that no builder has cost at
// most 1 request in 2 seconds.
func (c *Client) find(ctx context.Context, is func(Builder) bool) (Builder, bool, error) {
	for _, age := range []time.Duration{keptFor, freshFor} {
		all, err := c.builders.get(ctx, age)
		if err != nil {
			return Builder{}, false, job.Wrap("buildbot.builder", "", err)
		}
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], true, nil
		}
	}
	return Builder{}, false, nil
}

// labelled returns the builder with the name label. When there is none, the error is
// [job.ErrNotFound].
func (c *Client) labelled(ctx context.Context, label string) (Builder, error) {
	b, ok, err := c.builderNamed(ctx, label)
	if err == nil && !ok {
		err = fmt.Errorf("%w: this master has no builder named %q", job.ErrNotFound, label)
	}
	return b, err
}

// Words in the names of builders that tell their kind, in any case: "Linux x64 Perf (1)" is a
// measurement, "mac-unittest-2" a test.
var (
	perfName  = regexp.MustCompile(`(?i)\bperf\b`)
	testName  = regexp.MustCompile(`(?i)\b(test|unittest|check)\b`)
	buildName = regexp.MustCompile(`(?i)\b(build|nightly|compile)\b`)
)

// kindOf is the default for ProjectOptions.Kind: a tag that is a kind decides, then the name.
// For example the tags ["linux", "test"] → test; without tags "linux talos" is judged by its
// name.
func kindOf(b Builder) job.Kind {
	for _, t := range b.Tags {
		if k, err := job.ParseKind(t); err == nil {
			return k
		}
	}
	switch {
	case job.NamesPerf(b.Name), perfName.MatchString(b.Name):
		return job.KindPerf
	case testName.MatchString(b.Name) && !strings.HasSuffix(b.Name, " build"): // "leak test build" builds
		return job.KindTest
	case buildName.MatchString(b.Name):
		return job.KindBuild
	}
	return job.KindOther
}
