# make deps     what the build, the tests and the demo need (scripts/deps.sh)
# make          build the extension
# make install  put it into the server that PG_CONFIG names
# make install-model MODEL=directory   put a further model where embed_add_model() finds it by its name
# make catalog  build the example's programs
# make deb      Debian packages for that server, into dist/; make test-deb tries such
# make image    a container image with PostgreSQL, pgvector and pg_embed, into dist/; make test-image tries it; as root
# make dist     the sources as an archive for PGXN, into dist/
# make quality  how good searches are, by vectors, by words and by both (docs/quality.md)
# make bench-search     what searches with a filter find and take, by pgvector's settings (docs/search.md)
# make bench-peers      what other ways to embed with the same model take, on the same core; PLOTS=docs/peers writes its page
# make shards   the example with several servers: SHARDS=2 ROWS=20000
# make test, make demo, make demo-report, make bench, make lint, make uninstall, make clean
# make check-versions   the lints for the other versions of PostgreSQL, and whether the oldest Rust compiles it
# make check-aarch64    compiles and lints for aarch64, and runs the embedder's tests in an emulator; on x86_64, as root
# make matrix           the tests in clean file systems of five distributions, with PostgreSQL 14 to 18; as root

PG_CONFIG ?= pg_config
export PG_CONFIG ORT_LIB MODEL_DIR LEAVE_OUT CATALOG ROWS SHARDS MODEL SERVE BENCH_TEXTS CHROMIUM SCREENSHOTS
export COLLECTION STS
export DEB_VERSION
# Where demo-report writes.
REPORT ?= report
# Where quality writes.
QUALITY ?= target/quality
# The directory of a further model, for install-model, and another name for it there.
MODEL ?=
NAME ?=
# For bench-peers: pg_embed's models, those of them that the server has; how many texts of each length, and how often all take
# turns; and where plots go, if anywhere, those of quality, too. Of bench-peers, a page of that name beside them gets the table.
MODELS ?= all-MiniLM-L6-v2 all-MiniLM-L6-v2-int8
TEXTS ?= 256
ROUNDS ?= 5
PLOTS ?=
# Behind their values: a name that is exported first has one, an empty one.
export MODELS TEXTS ROUNDS
# What `make matrix` goes through: PostgreSQL 14 to 18.
MATRIX ?= jammy bookworm noble trixie sid
export PATH := $(HOME)/.cargo/bin:$(PATH)

# Recursive on purpose: `make deps` may be what brings pg_config.
PG_CONFIG_PATH = $(shell command -v $(PG_CONFIG))
PG_MAJOR = $(shell $(PG_CONFIG) --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
PKGLIBDIR = $(shell $(PG_CONFIG) --pkglibdir)
SHAREDIR = $(shell $(PG_CONFIG) --sharedir)
CARGO = PGRX_PG_CONFIG_PATH="$(PG_CONFIG_PATH)" cargo
FEATURES = --no-default-features --features pg$(PG_MAJOR)
# Only the step that writes into PostgreSQL's directories is run with sudo, and only if it has to be.
SUDO = $(shell [ -w "$(PKGLIBDIR)" ] && [ -w "$(SHAREDIR)/extension" ] || echo sudo)

# Where cargo builds, by its own variable.
LIBRARY = $(or $(CARGO_TARGET_DIR),target)/release/libpg_embed.so
RUNTIME = libonnxruntime.so.1.28.0
MINILM = all-MiniLM-L6-v2
MODEL_FILES = config.json modules.json sentence_bert_config.json tokenizer.json model.safetensors 1_Pooling/config.json
SCRIPTS = $(notdir $(wildcard sql/pg_embed--*.sql))

LIBDEST = $(DESTDIR)$(PKGLIBDIR)
EXTDEST = $(DESTDIR)$(SHAREDIR)/extension
MODELDEST = $(DESTDIR)$(SHAREDIR)/pg_embed/$(MINILM)

# `install` unlinks the old file first: a server that has it mapped keeps its own copy.
put = cmp -s $(2) "$(3)" || install -D -m $(1) $(2) "$(3)"

.PHONY: build catalog deps test-deps check-pg-config install install-model install-with-sudo uninstall deb test-deb image test-image dist \
	test demo demo-report shards bench bench-search bench-peers quality lint check-versions check-aarch64 matrix clean
# `test` and `demo` rely on their prerequisites being made in order.
.NOTPARALLEL:

build: check-pg-config
	$(CARGO) build --release $(FEATURES)

deps:
	@scripts/deps.sh

test-deps: deps
	@scripts/test-deps.sh

check-pg-config:
	@[ -n "$(PG_CONFIG_PATH)" ] || { echo "no $(PG_CONFIG): run make deps, or set PG_CONFIG" >&2; exit 1; }

# Installs what `make` built and builds nothing, so that `sudo make install` needs no cargo.
install: check-pg-config
	@[ -f $(LIBRARY) ] || { echo "$(LIBRARY) is missing: run make first" >&2; exit 1; }
	@for f in $(RUNTIME) $(addprefix $(MINILM)/,$(MODEL_FILES)); do \
		[ -f deps/$$f ] || { echo "deps/$$f is missing: run make deps" >&2; exit 1; }; done
	@echo "==> installing into $(LIBDEST) and $(DESTDIR)$(SHAREDIR)"
	@$(call put,755,$(LIBRARY),$(LIBDEST)/pg_embed.so)
	@$(call put,755,deps/$(RUNTIME),$(LIBDEST)/pg_embed/$(RUNTIME))
	@set -e; for f in $(MODEL_FILES); do \
		$(call put,644,deps/$(MINILM)/$$f,$(MODELDEST)/$$f); done
	@set -e; for f in $(SCRIPTS); do $(call put,644,sql/$$f,$(EXTDEST)/$$f); done
	@$(call put,644,pg_embed.control,$(EXTDEST)/pg_embed.control)

# MODEL names a model's directory, which gets a place below the server's share directory, under NAME or its own name.
install-model: check-pg-config
	@[ -f "$(MODEL)/modules.json" ] || \
		{ echo "MODEL=directory has to name one in the layout of sentence-transformers, with a modules.json" >&2; exit 1; }
	@set -e; to="$(DESTDIR)$(SHAREDIR)/pg_embed/$(or $(NAME),$(notdir $(abspath $(MODEL))))"; \
	echo "==> installing a model into $$to"; cd "$(MODEL)"; \
	find . \( -name '*.json' -o -name '*.safetensors' \) -type f | while IFS= read -r f; do \
		$(call put,644,"$$f",$$to/$$f); done

install-with-sudo: check-pg-config
	@$(SUDO) $(MAKE) --no-print-directory install PG_CONFIG="$(PG_CONFIG_PATH)"

uninstall: check-pg-config
	rm -f $(addprefix "$(EXTDEST)"/,pg_embed.control $(SCRIPTS))
	rm -f "$(LIBDEST)/pg_embed.so" "$(LIBDEST)/pg_embed/$(RUNTIME)"
	rm -f $(addprefix "$(MODELDEST)"/,$(MODEL_FILES))
	@for d in "$(LIBDEST)/pg_embed" "$(MODELDEST)/1_Pooling" "$(MODELDEST)" "$(DESTDIR)$(SHAREDIR)/pg_embed"; do \
		[ ! -d "$$d" ] || rmdir --ignore-fail-on-non-empty "$$d"; done

# Through `build`, so that the library is surely for this PostgreSQL.
deb: build
	@scripts/deb.sh

# Makes packages in a clean file system of this machine's distribution, and tries them in another; as root.
test-deb:
	@tests/packages.sh "$$(. /etc/os-release && echo "$$VERSION_CODENAME")"

# Of packages alone, made in clean file systems of a distribution that has pgvector; as root.
image:
	@scripts/image.sh

test-image: image
	@tests/image.sh

# The sources for PGXN.
dist:
	@scripts/dist.sh

# A workspace of its own; needs neither PostgreSQL nor the extension.
catalog:
	cargo build --release --manifest-path examples/catalog/Cargo.toml

test: deps test-deps build catalog install-with-sudo
	@tests/run.sh

matrix:
	@tests/matrix.sh $(MATRIX)

demo: deps build catalog install-with-sudo
	@scripts/as-server-user.sh examples/catalog/demo.sh

demo-report: deps build catalog install-with-sudo
	@REPORT="$(REPORT)" scripts/as-server-user.sh examples/catalog/report.sh

shards: deps build catalog install-with-sudo
	@scripts/as-server-user.sh examples/shards/demo.sh

# BENCH_TEXTS names a file with one text a line, to be used instead of generated ones.
bench: deps build install-with-sudo
	@# The second opens what the first has compiled.
	PG_EMBED_BENCH_TEXTS="$(BENCH_TEXTS)" cargo bench -p embedder --bench embedder
	PG_EMBED_BENCH_TEXTS="$(BENCH_TEXTS)" cargo bench -p embedder --bench bare
	@scripts/as-server-user.sh tests/bench.sh

bench-search: deps build catalog install-with-sudo
	@scripts/as-server-user.sh tests/bench/search.sh

bench-peers: deps build catalog install-with-sudo
	@scripts/peers-deps.sh
	@PEERS=deps/peers REPORT="$(CURDIR)/target/bench-peers" scripts/as-server-user.sh tests/bench/peers.sh
	@python3 tests/bench/peers/report.py target/bench-peers/peers.json $(PLOTS)

# COLLECTION names a directory with documents, questions and judgements, STS a file of sentence pairs with scores, MODELS
# which models are compared, PLOTS where the plot of the searches goes, too.
quality: deps build catalog install-with-sudo
	@REPORT="$(QUALITY)" scripts/as-server-user.sh tests/quality.sh
	@[ -z "$(PLOTS)" ] || install -D -m 644 -t "$(PLOTS)" \
		"$(QUALITY)/$(or $(notdir $(patsubst %/,%,$(COLLECTION))),catalogue).svg"

lint: check-pg-config
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path examples/catalog/Cargo.toml
	$(CARGO) clippy --workspace --all-targets $(FEATURES) -- -D warnings
	cargo clippy --workspace --all-targets --manifest-path examples/catalog/Cargo.toml -- -D warnings
	@scripts/pgspot.sh
	@scripts/one-version.sh
	@scripts/deny.sh

check-versions: check-pg-config
	@scripts/check-versions.sh
	@scripts/oldest-rust.sh

check-aarch64: deps
	@scripts/check-aarch64.sh

# deps/ stays: it is 115 MB to fetch again.
clean:
	cargo clean
	cargo clean --manifest-path examples/catalog/Cargo.toml
