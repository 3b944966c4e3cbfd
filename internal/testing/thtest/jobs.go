package thtest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// jobList answers a request for jobs, in no promised order.
func (s *Server) jobList(q url.Values) (int, any) {
	count, refused := counted(q, 2000, "Specified count exceeds API MAX_JOBS_COUNT value: %d")
	if refused != nil {
		return http.StatusBadRequest, refused
	}
	var found []Object
	for _, j := range s.jobs {
		if v := q.Get("push_id"); v != "" && number(j["push_id"]) != number(v) {
			continue
		}
		push := fmt.Sprint(number(j["push_id"]))
		if v := q.Get("push_id__in"); v != "" && !slices.Contains(strings.Split(v, ","), push) {
			continue
		}
		if !isJob(q, j) {
			continue
		}
		found = append(found, j)
	}
	if q.Get("push_id__in") != "" { // a client must not rely on the order of the pushes
		slices.SortStableFunc(found, func(a, b Object) int { return cmp.Compare(scattered(a), scattered(b)) })
	}
	offset := number(q.Get("offset"))
	meta := Object{"repository": s.Project, "offset": offset, "count": count}
	offset = min(offset, len(found))
	found = found[offset:min(len(found), offset+count)]
	if q.Get("return_type") != "list" {
		return http.StatusOK, Object{"meta": meta, "results": append([]Object{}, found...)}
	}
	rows := [][]any{}
	for _, j := range found {
		row := make([]any, len(jobProperties))
		for i, n := range jobProperties {
			row[i] = j[n]
		}
		rows = append(rows, row)
	}
	return http.StatusOK, Object{"meta": meta, "results": rows, "job_property_names": jobProperties}
}

// scattered is a number by which jobs are in no order that means anything, and always in
// the same.
func scattered(j Object) uint32 { return uint32(number(j["id"])) * 2654435761 } // #nosec G115 -- that it wraps is meant

// isJob reports whether a job has the values that the parameters ask for.
func isJob(q url.Values, j Object) bool {
	for _, name := range []string{"job_type_name", "ref_data_name", "id", "task_id", "retry_id"} {
		if v := q.Get(name); v != "" && fmt.Sprint(j[name]) != v {
			return false
		}
	}
	return true
}

// noteList answers a request for the notes of a job.
func (s *Server) noteList(q url.Values) (int, any) {
	if q.Get("job_id") == "" {
		return http.StatusBadRequest, Object{"detail": "The job_id parameter is mandatory for this endpoint"}
	}
	found := []Object{}
	for _, n := range s.notes {
		if number(n["job_id"]) == number(q.Get("job_id")) {
			found = append(found, n)
		}
	}
	return http.StatusOK, found
}
