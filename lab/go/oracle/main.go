// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

// Command oracle asks Istio's own code what becomes of requests: one case per line in, one answer per line out, both as JSON.
//
// A case that cannot be answered gets {"id": ..., "error": ...}, and the next line is read. See tests/oracle/README.md for the form of both.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"

	"istio.io/istio/pkg/log"
)

// longest is the size in bytes of the largest line that is read.
const longest = 64 << 20

func main() {
	answers, err := onlyAnswers()
	if err == nil {
		err = serve(os.Stdin, answers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

// onlyAnswers gives standard output to the answers alone: Istio logs to it, and would mix its lines with them.
func onlyAnswers() (*os.File, error) {
	kept, err := syscall.Dup(1)
	if err != nil {
		return nil, err
	}
	if err := syscall.Dup2(2, 1); err != nil {
		return nil, err
	}
	options := log.DefaultOptions()
	options.OutputPaths = []string{"stderr"}
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.ErrorLevel)
	if err := log.Configure(options); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(kept), "answers"), nil
}

// serve answers line after line until there are no more.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<20), longest)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	version := istioVersion()
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		said := answerLine(lines.Bytes())
		said.Istio = version
		if err := encoder.Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}

// answerLine never fails: what goes wrong is the answer.
func answerLine(line []byte) answer {
	asked := question{}
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: "this is no case: " + err.Error()}
	}
	said := answer{}
	if err := guarded(func(t *failer) { said = reply(t, asked) }); err != nil {
		said = answer{Error: err.Error()}
	}
	said.ID = asked.ID
	return said
}

// istioVersion is the version of the Istio module that was built in.
func istioVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "istio.io/istio" {
				return module.Version
			}
		}
	}
	return ""
}
