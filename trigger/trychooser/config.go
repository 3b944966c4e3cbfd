package trychooser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// The selectors that [TryTaskConfig] takes: how a person chose the labels.
const (
	SelectorFuzzy  = "fuzzy"  // a [Query], or anything else in a [Choice]
	SelectorSyntax = "syntax" // a [Try]
)

// TryTaskConfig returns the file try_task_config.json, version 2, which asks Firefox's
// decision task for the labels. `mach try` commits such a file, and Lando takes it.
// Labels are sorted, each once; the decision task itself adds what they need, such as
// builds. selector is [SelectorFuzzy] or [SelectorSyntax]; anything else, and an empty
// label, gives job.ErrInvalid. The labels are not checked against a catalog.
func TryTaskConfig(labels []string, selector string) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		err := fmt.Errorf("%w: "+format, append([]any{job.ErrInvalid}, args...)...)
		return nil, job.Wrap("trychooser.config", "", err)
	}
	if selector != SelectorFuzzy && selector != SelectorSyntax {
		return fail("selector %q, expected %s or %s", selector, SelectorFuzzy, SelectorSyntax)
	}
	tasks := append([]string{}, labels...)
	slices.Sort(tasks)
	tasks = slices.Compact(tasks)
	if len(tasks) > 0 && tasks[0] == "" {
		return fail("a label is empty")
	}
	type config struct {
		Env   map[string]string `json:"env"`
		Tasks []string          `json:"tasks"`
	}
	type parameters struct {
		Optimize bool   `json:"optimize_target_tasks"` // false: run all of them, whatever the change
		Config   config `json:"try_task_config"`
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	err := enc.Encode(struct {
		Parameters parameters `json:"parameters"`
		Version    int        `json:"version"`
	}{parameters{Config: config{Env: map[string]string{"TRY_SELECTOR": selector}, Tasks: tasks}}, 2})
	if err != nil {
		return fail("%w", err)
	}
	return out.Bytes(), nil
}
