package taskcluster

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/mozci/mozci/job/contract"
)

// hookFire is one time that a hook was fired.
type hookFire struct {
	HookGroupID    string    `json:"hookGroupId" is:"required"`
	HookID         string    `json:"hookId" is:"required"`
	TaskID         string    `json:"taskId" is:"required"` // chosen before the task is made: it may not exist
	TaskCreateTime time.Time `json:"taskCreateTime" is:"required"`
	// TaskState is the state of that task; unknown when there is no such task.
	TaskState string `json:"taskState" is:"required" words:"unscheduled pending running completed failed exception unknown"`

	_ contract.Also `names:"firedBy result error"`
}

type firesPage struct {
	LastFires []hookFire `json:"lastFires" is:"required"`
	paged
}

// hookPath matches the path of a hook. A slash in its id is escaped, so [^/]+ is the whole id.
const hookPath = `/hooks/v1/hooks/(?P<group>[^/]+)/(?P<hook>[^/]+)`

var lastFires = listed(contract.Endpoint[firesPage]{
	Source: source, Name: "hooks.listLastFires", URL: hookPath + `/last-fires$`,
}, "lastFires", func(p *firesPage) ([]hookFire, string) { return p.LastFires, p.Token },
	func(asked contract.Asked) func(*hookFire) error {
		group, hook := asked.Var("group"), asked.Var("hook")
		return func(f *hookFire) error {
			switch {
			case f.HookGroupID != group:
				return contract.Differs("hookGroupId", f.HookGroupID, group)
			case f.HookID != hook:
				return contract.Differs("hookId", f.HookID, hook)
			}
			return nil
		}
	})

// listLastFires returns the latest fires of a hook, newest first: by all callers, for every
// push. A hook remembers thousands, so it reads pages only until one has a fire from before
// since; the last page may have older ones. With since 12:00, a page of fires from 12:10 to
// 12:05 is followed by another one, and a page from 12:04 to 11:50 by none.
func (c *Client) listLastFires(ctx context.Context, groupID, hookID string, since time.Time) ([]*hookFire, error) {
	var out []*hookFire
	read := func(url string) (token string, err error) {
		r := c.request("", url)
		r.Retries = 2 // fewer than usual: the caller can look in the groups instead
		page, token, err := lastFires.page(ctx, c, r)
		if err != nil {
			return "", wrap("hooks.listLastFires", groupID+"/"+hookID, err)
		}
		out = append(out, page...)
		if slices.ContainsFunc(page, func(f *hookFire) bool { return f.TaskCreateTime.Before(since) }) {
			token = ""
		}
		return token, nil
	}
	for _, err := range pages(c.route("hooks", "hooks", groupID, hookID, "last-fires"), read) {
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// triggerWire is the answer of a hook that was fired: the task that it made, or an empty
// object when it made none.
//
//	{"taskId": "fN1SbArXTPSVFNUvaOlinQ", "status": {"taskId": "fN1SbArXTPSVFNUvaOlinQ", …}}
//	{"status": {"taskId": "fN1SbArXTPSVFNUvaOlinQ", …}}
//	{}
type triggerWire struct {
	TaskID string `json:"taskId" is:"" min:"22" max:"22"`
	Status *struct {
		TaskID string `json:"taskId" is:"required" min:"22" max:"22"` // until Taskcluster 42 only here

		_ contract.Also `names:"deadline expires priority projectId provisionerId retriesLeft runs schedulerId state taskGroupId taskQueueId workerType"`
	} `json:"status" is:""`
}

// id is the id of the task that was made; empty for none.
func (w *triggerWire) id() string {
	if w.TaskID == "" && w.Status != nil {
		return w.Status.TaskID
	}
	return w.TaskID
}

// Prove implements contract.Prover: both places say the same.
func (w *triggerWire) Prove() error {
	switch id := w.id(); {
	case id == "":
		return nil
	case w.Status != nil && w.Status.TaskID != id:
		return contract.Outside("status.taskId", "%q, and the answer's taskId is %q", w.Status.TaskID, id)
	default:
		return isTask("taskId", id)
	}
}

var fired = contract.New(contract.Endpoint[triggerWire]{
	Source: source, Name: "hooks.triggerHook", Method: http.MethodPost, URL: hookPath + `/trigger$`,
})

// triggerHook fires a hook with a payload, a JSON object, and returns the id of the task that
// the hook made; "" when it accepted the payload and made none. The request is sent once and
// never repeated: the hook may have made a task although its answer was lost.
func (c *Client) triggerHook(ctx context.Context, groupID, hookID string, payload any) (taskID string, err error) {
	url := c.route("hooks", "hooks", groupID, hookID, "trigger")
	out, err := send(ctx, c, "hooks.triggerHook", groupID+"/"+hookID, http.MethodPost, url, payload, false, fired)
	if err != nil {
		return "", err
	}
	return out.id(), nil
}
