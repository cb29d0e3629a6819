"""icrawler's downloader over a list: `run_icrawler.py LIST FOLDER THREADS`."""

import logging
import sys

from icrawler.builtin import UrlListCrawler


def main(url_list: str, folder: str, threads: int) -> None:
    crawler = UrlListCrawler(downloader_threads=threads, storage={"root_dir": folder}, log_level=logging.ERROR)
    crawler.crawl(url_list, max_num=0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
