package tctest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// page answers a page of a listing, with a continuationToken where another one
// follows. A token that it did not give is ignored, as the services ignore it. The
// query's limit may ask for less than a page.
func (s *Server) page(c *call, member string, all []any, out Object) {
	q := c.r.URL.Query()
	from, size := 0, s.Page
	if token, ok := strings.CutPrefix(q.Get("continuationToken"), "page at "); ok {
		from, _ = strconv.Atoi(token)
	}
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit > 0 {
		size = min(size, limit)
	}
	to := min(from+size, len(all))
	out[member] = append([]any{}, all[min(from, to):to]...)
	if to < len(all) {
		out["continuationToken"] = fmt.Sprint("page at ", to)
	}
	answer(c.w, http.StatusOK, out)
}
