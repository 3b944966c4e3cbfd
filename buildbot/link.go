package buildbot

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Page implements job.PageLinker: it is the address of the build's page on the master or,
// when no build has begun, of the request's page.
func (p *Project) Page(j job.Job) string {
	r, ok := j.Raw().(Record)
	switch {
	case !ok:
		return ""
	case r.Build == nil:
		return fmt.Sprintf("%s/#/buildrequests/%d", p.c.base, r.Request.ID)
	}
	return fmt.Sprintf("%s/#/builders/%d/builds/%d", p.c.base, r.Build.Builder, r.Build.Number)
}

// LabelPage is the address of a builder's page; "" when there is no such builder or the master
// does not answer.
func (p *Project) LabelPage(ctx context.Context, label string) string {
	b, err := bounded(ctx, p.c, "buildbot.builder", label, func(ctx context.Context) (Builder, error) {
		return p.c.labelled(ctx, label)
	})
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/#/builders/%d", p.c.base, b.ID)
}

// Place is what the address of a page names, as [ParsePage] finds it. Fields that the address
// does not name are zero.
type Place struct {
	Base    string // the master's base URL
	Builder string // the builder's id or name
	Build   int    // the number of the build among the builder's, counted from 1
	Request int64  // the id of the request
}

// ParsePage takes apart the address of a build's or a request's page, as copied from a
// browser: http://…/#/builders/3/builds/17 is build 17 of builder 3. More may follow, such as
// a step. Errors wrap job.ErrInvalid. The route is read in pairs, a word and its value: builders
// 3, builds 17, steps 2, of which the last is ignored.
func ParsePage(address string) (Place, error) {
	const most = 4096
	front, route, found := strings.Cut(address, "#")
	if !found || len(address) > most {
		return Place{}, fmt.Errorf("%w: %.80q is not the address of a build's page, "+
			"such as http://127.0.0.1:8010/#/builders/3/builds/17", job.ErrInvalid, address)
	}
	base, err := checkBase(front)
	if err != nil {
		return Place{}, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	route, _, _ = strings.Cut(route, "?")
	parts := strings.Split(strings.Trim(route, "/"), "/")
	for i, s := range parts {
		if parts[i], err = url.PathUnescape(s); err != nil {
			return Place{}, fmt.Errorf("%w: %.80q: %w", job.ErrInvalid, address, err)
		}
	}
	out := Place{Base: base}
	for i := 0; i+1 < len(parts); i += 2 {
		switch n, err := strconv.ParseInt(parts[i+1], 10, 64); {
		case parts[i] == "builders" && i == 0:
			out.Builder = parts[i+1]
		case err != nil || n < 1:
		case parts[i] == "builds" && out.Builder != "":
			out.Build = int(n)
		case parts[i] == "buildrequests" && i == 0:
			out.Request = n
		}
	}
	if out.Request == 0 && out.Build == 0 {
		return Place{}, fmt.Errorf("%w: %.80q names neither a build nor a request", job.ErrInvalid, address)
	}
	return out, nil
}

// named returns the request, and the number of its run, that an ID or the address of a page
// names. For a build's page that takes 2 requests, or 3 when it names the builder by name. The
// two are for the build, which names its request, and for the request's builds, among which its
// place is the number.
func (p *Project) named(ctx context.Context, id string) (request int64, number int, err error) {
	if !strings.Contains(id, "#") {
		return parseRunID(id)
	}
	at, err := ParsePage(id)
	if err != nil {
		return 0, 0, err
	}
	if at.Base != p.c.base {
		return 0, 0, fmt.Errorf("%w: the address is of another master, %s; this one is %s",
			job.ErrInvalid, at.Base, p.c.base)
	}
	if at.Request != 0 {
		return at.Request, 1, nil
	}
	builder, err := strconv.Atoi(at.Builder)
	if err != nil {
		b, err := p.c.labelled(ctx, at.Builder)
		if err != nil {
			return 0, 0, err
		}
		builder = b.ID
	}
	key := fmt.Sprintf("%d/%d", builder, at.Build)
	b, err := one(ctx, p.c, "buildbot.build", key, p.c.path("builders/%d/builds/%d", builder, at.Build), oneBuild)
	if err != nil {
		return 0, 0, err
	}
	all, err := p.c.builds(ctx, b.Request)
	if err != nil {
		return 0, 0, err
	}
	i := slices.IndexFunc(all, func(o Build) bool { return o.ID == b.ID })
	if i < 0 {
		place := fmt.Sprintf("of request %d", b.Request)
		return 0, 0, broken("builds", place, contract.Outside("", "build %d is not among them", b.ID))
	}
	return b.Request, i + 1, nil
}

// runID is the ID of a run: its request, and its number among the request's runs, counted from
// 1.
func runID(request int64, number int) string {
	return fmt.Sprintf("%d/%d", request, number)
}

// parseRunID is the reverse of runID. Anything else is job.ErrNotFound.
func parseRunID(id string) (request int64, number int, err error) {
	r, n, ok := strings.Cut(id, "/")
	if ok {
		if request, err = strconv.ParseInt(r, 10, 64); err == nil {
			number, err = strconv.Atoi(n)
		}
	}
	if !ok || err != nil || request < 1 || number < 1 {
		return 0, 0, fmt.Errorf("%w: %q is not a run: expected a request and the number of its run, such as 17/1, "+
			"or the address of a build's page", job.ErrNotFound, id)
	}
	return request, number, nil
}
