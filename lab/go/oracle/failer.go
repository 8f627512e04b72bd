// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// failer stands in for a test: Istio's in-memory control plane reports its failures to one and hands it what to tear down.
type failer struct {
	mutex    sync.Mutex
	failed   error
	cleanups []func()
}

// guarded runs body with a failer, tears down what it started, and returns the first failure or panic.
func guarded(body func(t *failer)) error {
	t := &failer{}
	t.run(func() { body(t) })
	for {
		t.mutex.Lock()
		last := len(t.cleanups) - 1
		if last < 0 {
			t.mutex.Unlock()
			break
		}
		cleanup := t.cleanups[last]
		t.cleanups = t.cleanups[:last]
		t.mutex.Unlock()
		t.run(cleanup)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.failed
}

// run waits for body in a goroutine of its own, because a failure ends the goroutine that it happens in.
func (t *failer) run(body func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if caught := recover(); caught != nil {
				t.note(fmt.Errorf("panic: %v at %s", caught, origin()))
			}
		}()
		body()
	}()
	<-done
}

// origin is the function that panicked, the first below the run-time's own frames.
func origin() string {
	_, below, _ := strings.Cut(string(debug.Stack()), "\npanic(")
	lines := strings.Split(below, "\n")
	if len(lines) > 2 {
		return strings.TrimSpace(lines[2])
	}
	return "an unknown place"
}

func (t *failer) note(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.failed == nil {
		t.failed = err
	}
}

func (t *failer) Fail()                             { t.note(errors.New("it failed")) }
func (t *failer) FailNow()                          { t.Fatal("it failed") }
func (t *failer) Fatalf(format string, args ...any) { t.Fatal(fmt.Sprintf(format, args...)) }
func (t *failer) Skip(args ...any)                  { t.Fatal(args...) }
func (t *failer) Log(args ...any)                   {}
func (t *failer) Logf(format string, args ...any)   {}
func (t *failer) Helper()                           {}

func (t *failer) Fatal(args ...any) {
	t.note(errors.New(strings.TrimSpace(fmt.Sprintln(args...))))
	runtime.Goexit()
}

func (t *failer) Cleanup(cleanup func()) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.cleanups = append(t.cleanups, cleanup)
}

func (t *failer) TempDir() string {
	folder, err := os.MkdirTemp("", "oracle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
