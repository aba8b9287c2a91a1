// Command pulumi-language-nodejs starts the Node.js language host of the Pulumi SDK 3.65 for a CLI of today.
//
// That host takes the runtime options of Pulumi.yaml as flags. Today's CLI sends them in its requests instead (see
// ProgramInfo in the CLI's language.proto), which the host does not know, so it would ignore `typescript` and `nodeargs`.
// This command reads them from Pulumi.yaml and becomes the host, with the flags.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"gopkg.in/yaml.v3"
)

// hostName is the file beside this one. A name that begins with "pulumi-language-" would be listed as one more plugin.
const hostName = "nodejs-language-host"

func main() {
	if err := becomeHost(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-nodejs:", err)
		os.Exit(1)
	}
}

// becomeHost returns only errors.
func becomeHost() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	directory, err := os.Getwd()
	if err != nil {
		return err
	}
	flags, err := flagsFor(directory)
	if err != nil {
		return err
	}
	host := filepath.Join(filepath.Dir(executable), hostName)
	arguments := append([]string{host}, flags...)
	// The CLI's own arguments end with the address of the engine, which is not a flag and so has to come last.
	arguments = append(arguments, os.Args[1:]...)
	return fmt.Errorf("%s: %w", host, syscall.Exec(host, arguments, os.Environ()))
}

// flagsFor gives the host's flags for the project that holds the directory; none where there is no project.
func flagsFor(directory string) ([]string, error) {
	text, err := projectFile(directory)
	if err != nil || text == nil {
		return nil, err
	}
	var project struct{ Runtime yaml.Node }
	if err := yaml.Unmarshal(text, &project); err != nil {
		return nil, fmt.Errorf("Pulumi.yaml: %w", err)
	}
	if project.Runtime.Kind != yaml.MappingNode {
		return nil, nil // `runtime: nodejs`, which has no options
	}
	var runtime struct{ Options map[string]any }
	if err := project.Runtime.Decode(&runtime); err != nil {
		return nil, fmt.Errorf("Pulumi.yaml: runtime: %w", err)
	}
	var flags []string
	for _, option := range []string{"typescript", "tsconfig", "nodeargs"} {
		if value, set := runtime.Options[option]; set {
			flags = append(flags, fmt.Sprintf("-%s=%v", option, value))
		}
	}
	return flags, nil
}

// projectFile reads the Pulumi.yaml of the directory or of the nearest one above it; nil where there is none.
func projectFile(directory string) ([]byte, error) {
	for {
		text, err := os.ReadFile(filepath.Join(directory, "Pulumi.yaml"))
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return text, err
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return nil, nil
		}
		directory = parent
	}
}
