package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
)

// otherTask is the k-th task of a group, of a label that no question is about. It exists only as
// text: a hundred pushes with thousands of such tasks would be too many for the double.
type otherTask struct {
	group string
	k     int
}

// otherID is the id of such a task.
func otherID(group string, k int) string { return slug.Of(fmt.Sprint(group, k)) }

// The placeholders in the text of a task.
const (
	markGroup = "GGGGGGGGGGGGGGGGGGGGGA"
	markTask  = "TTTTTTTTTTTTTTTTTTTTTA"
	markLabel = "the label"
)

// costTask returns the texts of a task's definition and status, with the size that Firefox's have.
func costTask() (definition, status []string) {
	d, st := tcDefinition(7, markLabel), tcStatus(markTask)
	d["taskGroupId"], d["dependencies"], st["taskGroupId"] = markGroup, []string{}, markGroup
	d["extra"].(tctest.Object)["parent"] = markGroup
	return costText(d), costText(st)
}

// costText splits the text of an object into pieces. Placeholders are pieces of their own.
func costText(o tctest.Object) []string {
	text := string(encoded(o))
	for _, m := range []string{markGroup, markTask, markLabel} {
		text = strings.ReplaceAll(text, m, "\x00"+m+"\x00")
	}
	return strings.Split(text, "\x00")
}

// text writes the text of a task, with its placeholders filled in.
func (o otherTask) text(w *bytes.Buffer, pieces []string) {
	id := otherID(o.group, o.k)
	for _, piece := range pieces {
		switch piece {
		case markGroup:
			piece = o.group
		case markTask:
			piece = id
		case markLabel:
			piece = costFiller(o.k)
		}
		w.WriteString(piece)
	}
}

// serve is the deployment, with groups of realistic size.
func (c *costTaskcluster) serve(w http.ResponseWriter, r *http.Request) {
	group := strings.TrimPrefix(r.URL.Path, "/api/queue/v1/task-group/")
	if group, ok := strings.CutSuffix(group, "/list"); ok && slices.Contains(c.pushes, group) {
		c.list(w, r, group)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /api/queue/v1/tasks":
		c.batch(w, r, "tasks", "task", c.task)
	case "POST /api/queue/v1/tasks/status":
		c.batch(w, r, "statuses", "status", c.status)
	default:
		c.ServeHTTP(w, r)
	}
}

// ask sends the double a request without credentials, and returns a list from its answer.
func (c *costTaskcluster) ask(method, path string, body []byte, member string) []json.RawMessage {
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, httptest.NewRequest(method, "http://tc.example"+path, bytes.NewReader(body)))
	var out map[string]json.RawMessage
	var list []json.RawMessage
	err := json.Unmarshal(rec.Body.Bytes(), &out)
	if err == nil {
		err = json.Unmarshal(out[member], &list)
	}
	if err != nil {
		panic(fmt.Sprintf("%s %s: %v: %.300s", method, path, err, rec.Body))
	}
	return list
}

// list answers a page of a group. The double's own tasks are scattered among the others.
func (c *costTaskcluster) list(w http.ResponseWriter, r *http.Request, group string) {
	own := c.ask(http.MethodGet, r.URL.Path, nil, "tasks")
	at := make([]json.RawMessage, c.tasks+len(own)) // nil for another
	for k, task := range own {
		where := (k*tcPage + k*37 + 11) % len(at)
		for at[where] != nil {
			where = (where + 1) % len(at)
		}
		at[where] = task
	}
	k := 0
	head := fmt.Sprintf(`"taskGroupId":%q,"schedulerId":"gecko-level-3","expires":"2026-12-21T07:05:59.386Z",`, group)
	paged(w, r, head, "tasks", len(at), func(out *bytes.Buffer, i int, wanted bool) {
		switch {
		case at[i] == nil:
			if wanted {
				out.WriteString(`{"task":`)
				otherTask{group, k}.text(out, c.task)
				out.WriteString(`,"status":`)
				otherTask{group, k}.text(out, c.status)
				out.WriteString("}")
			}
			k++
		case wanted:
			out.Write(at[i])
		}
	})
}

// batch answers about several tasks. Unknown ones are left out.
func (c *costTaskcluster) batch(w http.ResponseWriter, r *http.Request, list, member string, pieces []string) {
	var in struct{ TaskIDs []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	others, own := []string{}, []string{}
	for _, id := range in.TaskIDs {
		if _, ok := c.others[id]; ok {
			others = append(others, id)
		} else {
			own = append(own, id)
		}
	}
	var known []json.RawMessage
	for some := range slices.Chunk(own, tcPage) {
		known = append(known, c.ask(r.Method, r.URL.Path, encoded(tctest.Object{"taskIds": some}), list)...)
	}
	paged(w, r, "", list, len(others)+len(known), func(out *bytes.Buffer, i int, wanted bool) {
		switch {
		case !wanted:
		case i < len(known):
			out.Write(known[i])
		default:
			id := others[i-len(known)]
			fmt.Fprintf(out, `{"taskId":%q,%q:`, id, member)
			c.others[id].text(out, pieces)
			out.WriteString("}")
		}
	})
}

// paged answers one page of a list of n elements. write writes an element.
func paged(
	w http.ResponseWriter, r *http.Request, head, member string, n int, write func(*bytes.Buffer, int, bool),
) {
	from, _ := strconv.Atoi(r.URL.Query().Get("continuationToken")) // none is the first page
	size := tcPage
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && limit > 0 {
		size = min(size, limit)
	}
	to := min(from+size, n)
	var out bytes.Buffer
	out.WriteString("{" + head)
	if to < n {
		fmt.Fprintf(&out, `"continuationToken":"%d",`, to)
	}
	fmt.Fprintf(&out, "%q:[", member)
	for i := range to {
		if i > from {
			out.WriteString(",")
		}
		write(&out, i, i >= from)
	}
	out.WriteString("]}")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.Copy(w, &out)
}
