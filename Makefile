# A thin front for CMake and Ninja; `make help` lists the targets.
BUILD ?= build
NINJA ?= ninja
CMAKE_FLAGS = -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo

.PHONY: help setup build install package demo cases test unit bench fuzz tsan layers format clean
.DEFAULT_GOAL := build

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## install the Debian packages that building, testing and the demo need (root)
	@lab/setup

build: setup ## build/bin/ivtrace and build/bin/ivtrace-agent (static)
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) > $(BUILD).cmake.log 2>&1 || { cat $(BUILD).cmake.log; exit 1; }
	@mv $(BUILD).cmake.log $(BUILD)/cmake.log
	@$(NINJA) -C $(BUILD)

install: build ## install both programs, stripped, with man pages, completion and the agent's unit (PREFIX=/usr/local, DESTDIR=)
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --strip $(if $(PREFIX),--prefix $(PREFIX))

package: build ## build/packages/*.deb: ivtrace for the host, ivtrace-agent for the guest
	@$(NINJA) -C $(BUILD) packages

demo: build ## boot two guests, record them and the host, say what made one of them slow
	@lab/demo $(BUILD)

cases: build ## record runs of which it is known what is wrong in them, into build/cases: what diagnose is judged by
	@lab/cases $(BUILD)

test: build fuzz tsan ## everything: unit, golden, property, fuzz, threads, end to end with real guests
	@tests/run $(BUILD) $(BUILD)/fuzz $(BUILD)/tsan

unit: build ## the quick tests only
	@ctest --test-dir $(BUILD) --output-on-failure -j 2

bench: build ## the benchmarks, ratios within each run
	@$(NINJA) -C $(BUILD) benches
	@for b in $(BUILD)/bin/*_bench; do echo "== $$b"; $$b; done
	@echo "== lab/bench-trace-cmd"; lab/bench-trace-cmd $(BUILD)
	@echo "== lab/cost"; lab/cost $(BUILD)

fuzz: setup # the libFuzzer programs, with AddressSanitizer
	@mkdir -p $(BUILD)
	@CC=clang CXX=clang++ cmake -S . -B $(BUILD)/fuzz $(CMAKE_FLAGS) -DIVTRACE_FUZZ=ON \
	  -DIVTRACE_SANITIZE=address,undefined > $(BUILD)/fuzz.cmake.log 2>&1 || { cat $(BUILD)/fuzz.cmake.log; exit 1; }
	@$(NINJA) -C $(BUILD)/fuzz fuzzers

tsan: setup # the ring's tests under ThreadSanitizer
	@mkdir -p $(BUILD)
	@cmake -S . -B $(BUILD)/tsan $(CMAKE_FLAGS) -DIVTRACE_SANITIZE=thread -DIVTRACE_TEST_ROOMS=ring > $(BUILD)/tsan.cmake.log 2>&1 || { cat $(BUILD)/tsan.cmake.log; exit 1; }
	@$(NINJA) -C $(BUILD)/tsan ring_test

layers: ## redraw ARCHITECTURE.md's picture from src/CMakeLists.txt and check every #include against it
	@tools/layers --update

format: ## clang-format over src/
	@find src lab -name '*.cc' -o -name '*.h' | xargs clang-format -i

clean: ## remove the build
	@rm -rf $(BUILD)
