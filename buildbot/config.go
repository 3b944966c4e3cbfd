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

func (c *Client) readBuilders(ctx context.Context) ([]Builder, error) {
	all, err := get(ctx, c, "buildbot.builders", "", c.path("builders"), builderList)
	slices.SortFunc(all, func(a, b Builder) int { return a.ID - b.ID })
	return all, err
}

func (c *Client) readForms(ctx context.Context) ([]forceScheduler, error) {
	return get(ctx, c, "buildbot.forceschedulers", "", c.path("forceschedulers"), formList)
}

// allBuilders returns the builders, retired ones too, as they were at most a minute
// ago.
func (c *Client) allBuilders(ctx context.Context) ([]Builder, error) {
	all, err := c.builders.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.builders", "", err)
}

// forceSchedulers returns the schedulers by which builds can be asked for, as they
// were at most a minute ago.
func (c *Client) forceSchedulers(ctx context.Context) ([]forceScheduler, error) {
	all, err := c.forms.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.forceschedulers", "", err)
}

// builder finds a builder by its id, builderNamed by its name, which cannot stand
// in a URL where it has spaces or slashes. The list is read again for one that is
// not there: it may be new.
func (c *Client) builder(ctx context.Context, id int) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.ID == id })
}

func (c *Client) builderNamed(ctx context.Context, name string) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.Name == name })
}

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

// labelled is the builder of a label; a label that is no builder's name gives
// [job.ErrNotFound].
func (c *Client) labelled(ctx context.Context, label string) (Builder, error) {
	b, ok, err := c.builderNamed(ctx, label)
	if err == nil && !ok {
		err = fmt.Errorf("%w: unknown builder %q: no builder of this master has this name", job.ErrNotFound, label)
	}
	return b, err
}

var (
	perfName  = regexp.MustCompile(`(?i)\bperf\b`)
	testName  = regexp.MustCompile(`(?i)\b(test|unittest|check)\b`)
	buildName = regexp.MustCompile(`(?i)\b(build|nightly|compile)\b`)
)

func kindOf(b Builder) job.Kind {
	for _, t := range b.Tags {
		if k, err := job.ParseKind(t); err == nil {
			return k
		}
	}
	switch {
	case job.NamesPerf(b.Name), perfName.MatchString(b.Name):
		return job.KindPerf
	case testName.MatchString(b.Name) && !strings.HasSuffix(b.Name, " build"): // "leak test build"
		return job.KindTest
	case buildName.MatchString(b.Name):
		return job.KindBuild
	}
	return job.KindOther
}
