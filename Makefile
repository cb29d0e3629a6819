# The daily commands. `make help` lists them; ARGS is passed on: make run ARGS="--port 8001".

ARGS ?=
PY = .venv/bin/python
# PYTHON names the interpreter that .venv is made with; unset, a suitable one is looked for.
BOOTSTRAP = python="$${PYTHON:-python3}"; command -v "$$python" > /dev/null || { \
	echo "$$python was not found. Install Python 3.11 or newer (Debian, Ubuntu: sudo apt install python3 python3-venv) and run make again." >&2; exit 1; }; \
	exec "$$python" scripts/bootstrap.py

.PHONY: help setup run test test-faults test-images audit bench rivals bench-memory bench-decoder bench-quality \
    bench-duplicates bench-exports bench-growth bench-pages bench-polling bench-validation bench-width screenshots readers lint types \
    imports lock
.DEFAULT_GOAL := help

help: ## List these commands
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv and install what PixCrawler runs on
	@$(BOOTSTRAP) run

run: setup ## Start everything on this machine and show one log; Ctrl-C stops it
	@exec $(PY) manage.py quickstart $(ARGS)

test: ## Run the test suite
	@$(BOOTSTRAP) test
	@exec $(PY) -m pytest $(ARGS)

test-faults: ## Kill, freeze and fill up a running installation, and count what is lost (PostgreSQL, about 10 min)
	@$(BOOTSTRAP) test
	@exec python3 scripts/with_postgres.py $(PY) -m pytest faults $(ARGS)

test-images: ## Send the test images of Pillow's own sources through the decoder (47 MB to download)
	@$(BOOTSTRAP) test
	@PIXCRAWLER_TEST_IMAGES=$$($(PY) scripts/fetch_test_images.py var/test-images) $(PY) -m pytest -q datasets/tests/test_foreign_images.py $(ARGS)

# In an environment of their own: what the others need is not what we need. Their lock is whole, and leaves out what
# requirements/bench-overrides.in names.
rivals:
	@$(BOOTSTRAP) test
	@test -x .venv-bench/bin/python || $(PY) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --require-hashes --no-deps --no-input --disable-pip-version-check -r requirements/bench.txt

# Products of matrices in one thread, as in our decoders: the costs of the stages are those of one core.
bench: rivals ## Measure a whole crawl beside other crawlers; ARGS=--short takes five minutes (docs/performance.md)
	@OPENBLAS_NUM_THREADS=1 exec python3 scripts/with_postgres.py $(PY) -m bench.crawl $(ARGS)

bench-memory: ## Measure what a worker needs for a list of a million addresses (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) manage.py benchmemory --settings bench.settings $(ARGS)

bench-decoder: ## Measure what decoding in a child process costs (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) -m bench.decoder $(ARGS)

bench-quality: ## Measure how near quality scores are to those on all pixels, and their cost (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) -m bench.quality $(ARGS)

bench-duplicates: ## Measure how quickly look-alikes are found, and how many (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) -m bench.duplicates $(ARGS)

bench-growth: ## Measure what an image costs in datasets of up to a million; ARGS=--short takes five minutes (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec python3 scripts/with_postgres.py $(PY) -m bench.growth $(ARGS)

bench-pages: ## Measure every page beside 100,000 images on PostgreSQL; ARGS=--short takes five minutes (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec python3 scripts/with_postgres.py $(PY) manage.py benchpages --settings bench.settings $(ARGS)

bench-polling: ## Measure polls of a running job, and what 200 watchers cost its crawl; ARGS=--short takes five minutes
	@$(BOOTSTRAP) test
	@exec python3 scripts/with_postgres.py $(PY) manage.py benchpolling --settings bench.settings $(ARGS)

bench-validation: rivals ## Measure a validation beside imagededup and cleanvision (docs/performance.md)
	@exec python3 scripts/with_postgres.py $(PY) -m bench.validation $(ARGS)

bench-width: ## Measure how a crawl of many hosts stands latency and encryption (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) manage.py benchwidth --settings bench.settings $(ARGS)

bench-exports: ## Measure what exports need in time and memory (docs/performance.md)
	@$(BOOTSTRAP) test
	@exec $(PY) -m bench.exports $(ARGS)

# An environment of its own: Hugging Face `datasets` bears the name of our application.
screenshots: ## Take the pictures of README and docs from an installation of its own (needs chromium and faketime)
	@$(BOOTSTRAP) test
	@exec $(PY) scripts/screenshots.py

readers: ## Install the programs that read exports, for the tests that load exports with them
	@$(BOOTSTRAP) run
	@$(PY) -m venv .venv-readers
	@.venv-readers/bin/python -m pip install --quiet --require-hashes --no-input --disable-pip-version-check -r requirements/readers.txt

lint: ## Check the style of the code and the templates
	@$(BOOTSTRAP) dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m djlint --lint templates

types: ## Check the types
	@$(BOOTSTRAP) dev
	$(PY) -m mypy .

imports: ## Check the import rules
	@$(BOOTSTRAP) dev
	PATH="$(CURDIR)/.venv/bin:$$PATH" lint-imports

UV_COMPILE = $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

audit: ## Ask whether the locked packages have known faults
	@$(BOOTSTRAP) dev
	@$(PY) scripts/audit.py

lock: ## Compile requirements/*.in to the locks with hashes
	@$(BOOTSTRAP) dev
	cd requirements && for set in base test dev readers; do ../$(UV_COMPILE) --quiet $$set.in --output-file $$set.txt || exit 1; done
	cd requirements && ../$(UV_COMPILE) --quiet bench.in --override bench-overrides.in --output-file bench.txt
