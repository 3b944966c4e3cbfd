package thtest

import (
	"net/http"
	"net/url"
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
		if v := q.Get("job_type_name"); v != "" && text(j["job_type_name"]) != v {
			continue
		}
		found = append(found, j)
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
