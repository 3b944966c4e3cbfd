package bbtest

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The codes of JSON-RPC.
const (
	notAllowed = -32600 // also a request that is none
	notJSON    = -32700
	noMethod   = -32601
	broken     = -32603
)

// rpcError answers a call that failed; id is that of the call, or nil where it is not
// known.
func rpcError(w http.ResponseWriter, status, code int, id any, message string) {
	out := Row{"jsonrpc": "2.0", "error": Row{"code": code, "message": message}}
	if id != nil {
		out["id"] = id
	}
	answer(w, status, "application/json", out)
}

// post acts on a force scheduler or a build, with a buildset and a request more; or ends a
// build or a request, at once, where a real master takes its time.
func (d *Double) post(w http.ResponseWriter, r *http.Request, parts []string) {
	var call struct {
		ID     any            `json:"id"`
		Method string         `json:"method"`
		Params map[string]any `json:"params"`
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		const says = "Invalid content-type (use application/json)"
		rpcError(w, http.StatusBadRequest, notAllowed, nil, says)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		rpcError(w, http.StatusBadRequest, notJSON, nil, "JSON parse error: "+err.Error())
		return
	}
	if !strings.Contains(r.Header.Get("Cookie"), "signed-in") {
		rpcError(w, http.StatusForbidden, notAllowed, call.ID, "you need to have role 'admins'")
		return
	}
	time.Sleep(d.Forcing)
	d.mu.Lock()
	defer d.mu.Unlock()
	var result any
	var failed string
	switch what := parts[0] + " " + call.Method; {
	case len(parts) == 2 && what == "forceschedulers force":
		result, failed = d.forced(parts[1], call.Params)
	case len(parts) == 2 && what == "builds rebuild":
		result, failed = d.rebuilt(parts[1])
	case len(parts) == 2 && what == "builds stop":
		d.cancelled(having(d.tables["builds"], "buildid", parts[1]))
	case len(parts) == 2 && what == "buildrequests cancel":
		d.cancelled(having(d.tables["buildrequests"], "buildrequestid", parts[1]))
	default:
		rpcError(w, http.StatusNotImplemented, noMethod, call.ID, "action: "+call.Method+" is not supported")
		return
	}
	if failed != "" { // the master's own code fails there
		rpcError(w, http.StatusInternalServerError, broken, call.ID, failed)
		return
	}
	answer(w, http.StatusOK, "application/json", Row{"jsonrpc": "2.0", "id": call.ID, "result": result})
}

// forced is what a form makes: a source stamp for each codebase that it has fields
// of. A form that is not there is an error of the master's.
func (d *Double) forced(form string, params map[string]any) (result any, failed string) {
	if len(having(d.tables["forceschedulers"], "name", form)) == 0 {
		return nil, `AttributeError("'NoneType' object has no attribute 'force'")`
	}
	stamps := map[string]Row{}
	for name, v := range params {
		codebase, field, ok := strings.Cut(name, "_")
		if !ok {
			codebase, field = "", name
		}
		if slices.Contains([]string{"revision", "branch", "repository", "project"}, field) {
			if stamps[codebase] == nil {
				none := Row{
					"codebase": codebase, "branch": nil, "repository": "", "project": "",
					"created_at": time.Now().Unix(),
				}
				stamps[codebase] = with(blank("sourcestamps"), none)
			}
			stamps[codebase][field] = v
		}
	}
	var all []Row
	for _, s := range stamps {
		all = append(all, s)
	}
	builder, _ := strconv.Atoi(fmt.Sprint(params["builderid"]))
	return d.submit(all, fmt.Sprintf("A build was forced by 'a test': %v", params["reason"]), builder), ""
}

// rebuilt copies what a build was asked for. A build that is not there is an error of
// the master's.
func (d *Double) rebuilt(id string) (result any, failed string) {
	builds := having(d.tables["builds"], "buildid", id)
	if len(builds) == 0 {
		return nil, `TypeError("'NoneType' object is not subscriptable")`
	}
	was := having(d.tables["buildrequests"], "buildrequestid", fmt.Sprint(builds[0]["buildrequestid"]))[0]
	old := having(d.tables["buildsets"], "bsid", fmt.Sprint(was["buildsetid"]))[0]
	return d.submit(old["sourcestamps"], "rebuild", int(number(was["builderid"]))), ""
}

// cancelled ends what has not ended, of the records that were meant; of what is not there
// or has ended, a master answers the same.
func (d *Double) cancelled(rows []Row) {
	const results = 6
	for _, r := range rows {
		if r["complete"] == false {
			d.end(int(number(r["buildrequestid"])), results)
		}
	}
}

// submit adds a buildset with a request, and returns what a call returns of them.
func (d *Double) submit(stamps any, reason string, builder int) any {
	now := time.Now().Unix()
	set := d.add("buildsets", Row{"reason": reason, "sourcestamps": stamps, "submitted_at": now})
	id := d.add("buildrequests", Row{"buildsetid": set, "builderid": builder, "submitted_at": now})
	return []any{set, map[string]any{strconv.Itoa(builder): id}}
}
