package buildbot

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
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

// source is a list of records of the master that is read in pages.
type source[T record] struct {
	path  string // of the API
	field string // the id by which it is ordered
	kind[T]
}

func changesSource() source[change] { return source[change]{"changes", "changeid", changeList} }
func setsSource() source[Buildset]  { return source[Buildset]{"buildsets", "bsid", setRecords} }

func requestsSource(path string) source[BuildRequest] {
	return source[BuildRequest]{path, "buildrequestid", requestList}
}

func buildsSource(path string) source[Build] { return source[Build]{path, "buildid", buildList} }

// older reads up to n records with ids below the given one, newest first; 0 is
// from the newest on. It reports whether these were the last ones there are.
func older[T record](
	ctx context.Context, c *Client, op string, s source[T], below int64, n int, more ...string,
) ([]T, bool, error) {
	pairs := append([]string{"order", "-" + s.field, "limit", strconv.Itoa(n)}, more...)
	if below > 0 {
		pairs = append(pairs, s.field+"__lt", strconv.FormatInt(below, 10))
	}
	a, err := read(ctx, c, op, "", query(c.path("%s", s.path), pairs...), s.kind)
	if err != nil {
		return nil, false, err
	}
	sortNewest(a.all) // lists of changes come the other way round
	return a.all, a.n < n, nil
}

// sortNewest puts the largest ids first.
func sortNewest[T record](all []T) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(b.key().id, a.key().id) })
}

// mostPages is how many pages one question may take: of 500 records each, half a
// million. A list that has no end by then is taken for one that will have none.
const mostPages = 1000

// paging counts the pages of one question.
type paging struct{ n int }

// next is an error for a page too many.
func (p *paging) next(c *Client, what string) error {
	if p.n++; p.n > c.pages {
		return broken(what, ".", contract.Outside("", "no end after %d pages, the most that are read", c.pages))
	}
	return nil
}

// since reads the records with this id and larger ones, newest first.
func since[T record](ctx context.Context, c *Client, op string, s source[T], id int64, more ...string) ([]T, error) {
	var out []T
	var count paging
	more = append([]string{s.field + "__ge", strconv.FormatInt(id, 10)}, more...)
	for below, size := int64(0), firstPage; ; size = grown(size) {
		if err := count.next(c, s.path); err != nil {
			return nil, job.Wrap(op, "", err)
		}
		page, last, err := older(ctx, c, op, s, below, size, more...)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if last || page[len(page)-1].key().id <= id {
			return out, nil
		}
		below = page[len(page)-1].key().id
	}
}

// among reads the records whose field is one of the ids. A master that does not know
// the comparison answers with all records, of which the others are left out; whole is
// that each id has records, so that an answer with others alone is about other ids.
func among[T record](
	ctx context.Context, c *Client, op string, s source[T], field string, ids []int64, whole bool, more ...string,
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
			all, err := get(ctx, c, op, "", query(c.path("%s", s.path), pairs...), s.kind)
			if err == nil {
				found[i], err = only(s, field, all, group, whole)
			}
			return job.Wrap(op, "", err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// only leaves out the records whose field is none of the ids, which are sorted.
func only[T record](s source[T], field string, all []T, ids []int64, whole bool) ([]T, error) {
	has := map[int64]bool{}
	own := slices.DeleteFunc(slices.Clone(all), func(r T) bool {
		id, _ := r.field(field).(int64)
		_, asked := slices.BinarySearch(ids, id)
		has[id] = asked
		return !asked
	})
	if len(own) == len(all) || !whole {
		return own, nil
	}
	for _, id := range ids {
		if !has[id] {
			return nil, broken(s.path, ".", contract.Outside("", "others, and none with %s %d", field, id))
		}
	}
	return own, nil
}
