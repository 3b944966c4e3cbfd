package buildbot

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// A page is what is read at once of records that are many. The master answers
// order and limit from its database when it is asked for ids alone; windows of
// ids would read the holes that its janitor leaves.
const (
	firstPage = 50
	largePage = 500
	atOnce    = 4   // pages or groups that are read at a time
	manyIDs   = 250 // ids in one question: longer lines are refused by proxies
)

// grown is the size of the page after one of this size.
func grown(size int) int { return min(2*max(size, firstPage/2), largePage) }

// source is a kind of record of the master.
type source[T any] struct {
	path   string // of the API
	plural string
	field  string // the id by which it is ordered
	id     func(T) int64
}

func changesSource() source[change] {
	return source[change]{"changes", "changes", "changeid", func(c change) int64 { return c.ID }}
}

func setsSource() source[Buildset] {
	return source[Buildset]{"buildsets", "buildsets", "bsid", func(s Buildset) int64 { return s.ID }}
}

func requestsSource(path string) source[BuildRequest] {
	return source[BuildRequest]{path, "buildrequests", "buildrequestid", func(r BuildRequest) int64 { return r.ID }}
}

func buildsSource(path string) source[Build] {
	return source[Build]{path, "builds", "buildid", func(b Build) int64 { return b.ID }}
}

// older reads up to n records with ids below the given one, newest first; 0 is
// from the newest on. It reports whether these were the last ones there are.
func older[T any](
	ctx context.Context, c *Client, op string, s source[T], below int64, n int, more ...string,
) ([]T, bool, error) {
	pairs := append([]string{"order", "-" + s.field, "limit", strconv.Itoa(n)}, more...)
	if below > 0 {
		pairs = append(pairs, s.field+"__lt", strconv.FormatInt(below, 10))
	}
	all, err := get[T](ctx, c, op, "", query(c.path("%s", s.path), pairs...), s.plural)
	if err != nil {
		return nil, false, err
	}
	last := len(all) < n
	// Lists of changes come the other way round, and a filter that a master does
	// not know is ignored.
	all = slices.DeleteFunc(all, func(v T) bool { return below > 0 && s.id(v) >= below })
	sortNewest(all, s.id)
	return all, last, nil
}

// sortNewest puts the largest ids first, and each once.
func sortNewest[T any](all []T, id func(T) int64) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(id(b), id(a)) })
}

// since reads the records with this id and larger ones, newest first.
func since[T any](ctx context.Context, c *Client, op string, s source[T], id int64, more ...string) ([]T, error) {
	var out []T
	more = append([]string{s.field + "__ge", strconv.FormatInt(id, 10)}, more...)
	for below, size := int64(0), firstPage; ; size = grown(size) {
		page, last, err := older(ctx, c, op, s, below, size, more...)
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			if s.id(v) >= id {
				out = append(out, v)
			}
		}
		if last || len(page) == 0 || s.id(page[len(page)-1]) <= id {
			return out, nil
		}
		below = s.id(page[len(page)-1])
	}
}

// among reads the records whose field is one of the ids; of is that field.
func among[T any](
	ctx context.Context, c *Client, op string, s source[T], field string, of func(T) int64, ids []int64, more ...string,
) ([]T, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	groups := slices.Collect(slices.Chunk(ids, manyIDs))
	found := make([][]T, len(groups))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, group := range groups {
		g.Go(func() error {
			pairs := slices.Clone(more)
			for _, id := range group {
				pairs = append(pairs, field+"__in", strconv.FormatInt(id, 10))
			}
			all, err := get[T](ctx, c, op, "", query(c.path("%s", s.path), pairs...), s.plural)
			found[i] = slices.DeleteFunc(all, func(v T) bool {
				_, asked := slices.BinarySearch(group, of(v))
				return !asked
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}
