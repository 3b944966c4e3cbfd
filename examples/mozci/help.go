package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands, in the order of the help.
const (
	groupFind  = "find"
	groupAct   = "act"
	groupRead  = "read"
	groupSetUp = "setup"
)

var groups = []*cobra.Group{
	{ID: groupFind, Title: "Find what broke a job"},
	{ID: groupAct, Title: "Act on a CI"},
	{ID: groupRead, Title: "Read pushes, jobs and logs"},
	{ID: groupSetUp, Title: "Set up"},
}

// commonFlags are the flags of all commands that each command's page shows; the others
// are on the page of mozci help places.
var commonFlags = []string{"ci", "json", "output", "repo", "world"}

// placeGroups are the flags of mozci help places, by what they are about.
var placeGroups = []struct {
	title string
	names []string
}{
	{"Which CI, and which pushes", []string{"ci", "trigger-ci", "repo", "branch", "codebase", "world"}},
	{"Where the services are", []string{
		"hg-url", "lando-url", "treeherder-url", "root-url", "trust-domain", "project", "buildbot-url", "selfserve-url",
		"builddata-url", "pulse-url",
	}},
	{"Buildbot", []string{"fail-on-warnings", "allthethings"}},
	{"What mozci remembers", []string{"ledger", "cache-dir"}},
	{"Output", []string{"json", "output", "color", "log-level"}},
	{"Speed and recordings", []string{"parallel", "record", "replay"}},
}

// helpWidth is the width of help texts, in columns.
const helpWidth = 80

// addHelp gives the commands their pages and their groups.
func (a *app) addHelp(root *cobra.Command, groupOf map[string]string) {
	root.AddGroup(groups...)
	for _, c := range root.Commands() {
		c.GroupID = groupOf[c.Name()]
	}
	root.SetHelpCommand(a.helpCommand(root))
	root.SetHelpCommandGroupID(groupSetUp)
	root.SetCompletionCommandGroupID(groupSetUp)
	completions(root)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { a.help(c) })
	root.SetUsageFunc(func(c *cobra.Command) error {
		a.help(c)
		return nil
	})
}

// helpCommand is mozci help, which refuses what has no page.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | places | credentials]",
		Short: "Explain a command, or one of: places, credentials",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return namesOf(root.Commands()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				wrong := args[len(args)-max(len(rest), 1)]
				return usage("no page about %q; closest: %s", wrong,
					strings.Join(job.Nearest(namesOf(root.Commands()), wrong, 3), ", "))
			}
			return c.Help()
		},
	}
}

// completions makes mozci completion refuse a shell that it does not know.
func completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // not covered: cobra has just added it
	}
	shells := namesOf(c.Commands())
	c.Use, c.Args = "completion SHELL", cobra.ArbitraryArgs
	c.RunE = func(_ *cobra.Command, args []string) error { // a shell has a command of its own
		if len(args) == 0 {
			return usage("completion needs a shell: %s", oneOf(shells))
		}
		return usage("completion %s: expected %s", strings.Join(args, " "), oneOf(shells))
	}
	c.Short = "Print a script for your shell that completes mozci's commands and flags"
}

func namesOf(commands []*cobra.Command) []string {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name())
	}
	return names
}

// help prints the page of a command. A page without a command, such as credentials, is
// its text alone.
func (a *app) help(c *cobra.Command) {
	a.prose(cmp.Or(c.Long, c.Short))
	switch {
	case c == c.Root():
		a.helpCommands(c)
		return
	case !c.Runnable():
		return
	}
	a.title("Usage")
	a.printf("  %s\n", c.UseLine())
	if c.Example != "" {
		a.title("Examples")
		put(a.out, c.Example+"\n")
	}
	own, common := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if c.Root().PersistentFlags().Lookup(f.Name) == nil {
			own.AddFlag(f)
		}
	})
	for _, name := range commonFlags {
		if f := c.Root().PersistentFlags().Lookup(name); f != nil {
			common.AddFlag(f)
		}
	}
	if own.HasAvailableFlags() {
		a.title("Flags")
		a.flagTable(own)
	}
	if len(c.Commands()) > 0 {
		a.title("Commands")
		a.list(c.Commands())
	}
	if c.GroupID == groupSetUp && c.Name() != "doctor" && c.Name() != "check-sources" || c.Parent() != c.Root() {
		return // it works on no service
	}
	a.title("Common flags")
	a.flagTable(common)
	a.printf("\nOther services, recordings and the ledger: mozci help places\n")
}

// helpCommands lists the commands by their groups.
func (a *app) helpCommands(root *cobra.Command) {
	a.title("Usage")
	a.printf("  %s COMMAND [LINK] [flags]\n", root.CommandPath())
	if root.Example != "" {
		a.title("Examples")
		put(a.out, root.Example+"\n")
	}
	for _, g := range root.Groups() {
		a.title(g.Title)
		var some []*cobra.Command
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.Runnable() {
				some = append(some, c)
			}
		}
		a.list(some)
	}
	a.printf("\nA command's page, with examples: mozci COMMAND --help\n")
}

// list prints what commands do, a line or two for each.
func (a *app) list(commands []*cobra.Command) {
	const width = len("check-sources") // the longest, so that all lists begin in one column
	for _, c := range commands {
		lead := fmt.Sprintf("  %-*s  ", width, c.Name())
		a.paragraphOn(a.out, lead, strings.Repeat(" ", len(lead)), plain, c.Short)
	}
}

func (a *app) title(text string) {
	a.printf("\n")
	a.line(cell{text: text + ":", style: strong})
}

// flagTable prints flags with their texts, wrapped.
func (a *app) flagTable(f *pflag.FlagSet) {
	put(a.out, strings.TrimRight(f.FlagUsagesWrapped(helpWidth), "\n")+"\n")
}

// prose prints a text by its paragraphs: how the source is broken into lines says nothing
// about the terminal.
func (a *app) prose(text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			a.printf("\n")
		}
		a.paragraph("", plain, p)
	}
}

// placesHelp is the page of the flags that all commands share.
func (a *app) placesHelp() *cobra.Command {
	c := &cobra.Command{
		Use:   "places",
		Short: "Which services a command reads and acts on, and how to name others",
		Long: `Every command takes these flags. Without any of them mozci works on Firefox's CI:
pushes from hg.mozilla.org, runs from Taskcluster, and the history of a job from
Treeherder. --world puts a history in memory instead of all services.

To see whether the services answer, and what you may do there: mozci doctor`,
	}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		a.prose(c.Long)
		for _, g := range placeGroups {
			set := pflag.NewFlagSet("", pflag.ContinueOnError)
			for _, name := range g.names {
				if f := c.Root().PersistentFlags().Lookup(name); f != nil {
					set.AddFlag(f)
				}
			}
			a.title(g.title)
			a.flagTable(set)
		}
	})
	return c
}
