"""Programs that other crawlers are run by, in .venv-bench: nothing of PixCrawler can be imported there."""
