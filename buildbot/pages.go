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

// The sizes of pages, in records. Pages are requested by order and limit. Windows of ids, such
// as 1001 to 1500, would not do: the master's janitor deletes old records, so a window may be
// empty.
const (
	firstPage = 50
	largePage = 500
	atOnce    = 4   // pages or groups of ids that are read at the same time
	manyIDs   = 250 // ids in one request: proxies refuse longer URLs
)

// grown is the size of the page after one of this size: 50, 100, 200, 400, 500, 500 …
func grown(size int) int { return min(2*max(size, firstPage/2), largePage) }

// source is a list of the master's records that is read in pages.
type source[T record] struct {
	path  string // in the API, such as builders/3/buildrequests
	field string // the id by which the list is ordered
	kind[T]
}

func changesSource() source[change] { return source[change]{"changes", "changeid", changeList} }
func setsSource() source[Buildset]  { return source[Buildset]{"buildsets", "bsid", setRecords} }

func requestsSource(path string) source[BuildRequest] {
	return source[BuildRequest]{path, "buildrequestid", requestList}
}

func buildsSource(path string) source[Build] { return source[Build]{path, "buildid", buildList} }

// older reads up to n records with ids less than below, newest first; below 0 means from the
// newest on. The flag says that there are no older ones: the page was not full.
//
// For n 50 and below 1200, the changes are changes?changeid__lt=1200&limit=50&order=-changeid. A
// page of 50 may be the last as well; then the next one is empty.
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
	sortNewest(a.all) // the master returns the changes of a page oldest first
	return a.all, a.n < n, nil
}

// sortNewest sorts records by descending id.
func sortNewest[T record](all []T) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(b.key().id, a.key().id) })
}

// mostPages is how many pages one question may read: half a million records. A list that has
// not ended by then is taken to be endless, because of a fault of the master.
const mostPages = 1000

// paging counts the pages of one question.
type paging struct{ n int }

// next counts one more page, and returns an error when that is too many.
func (p *paging) next(c *Client, what string) error {
	if p.n++; p.n > c.pages {
		return broken(what, ".", contract.Outside("", "no end after %d pages, the maximum", c.pages))
	}
	return nil
}

// since reads the records with this id and greater ones, newest first. The record with the id
// itself is included on purpose: when it is missing, the master has another database. For id 40
// and the newest record 1000 the pages are the newest 50, then 100 below 951, and so on down to
// 40.
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

// among reads the records whose field is one of the ids, manyIDs ids in each request, in no
// order. A master that does not know the comparison "in" answers with all records; only drops
// the others. whole says that every id must have a record. The ids 7, 3, 7 become
// buildrequestid__in=3&buildrequestid__in=7; 600 ids are 3 requests, at most 4 of them at a
// time.
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

// only drops the records whose field is none of the ids, which must be sorted. When it drops
// any and whole is set, each id must have a record: an answer with nothing but others would be
// about other ids.
//
// Asked for 3 and 7, the records 3 and 7 are the answer, and 3 alone too: 7 may be gone. The
// records 3, 7 and 9 become 3 and 7. The records 3 and 9 are an error with whole, since a master
// that gives more than was asked gives all.
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
			return nil, broken(s.path, ".", contract.Outside("", "other records, but none with %s %d", field, id))
		}
	}
	return own, nil
}
