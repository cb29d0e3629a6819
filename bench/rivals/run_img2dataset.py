"""img2dataset over a list: `run_img2dataset.py LIST FOLDER resize|raw PROCESSES THREADS`.

"resize" is what it does unless told otherwise: 256 × 256 pixels with a border, encoded anew. "raw" keeps the bytes as
they came, and does not decode them.
"""

import sys

from img2dataset import download


def main(url_list: str, folder: str, mode: str, processes: int, threads: int) -> None:
    with open(url_list, encoding="utf-8") as lines:
        count = sum(1 for _ in lines)
    download(
        url_list=url_list,
        output_folder=folder,
        processes_count=processes,
        thread_count=threads,
        # Two shards for each process, or one would have all the work.
        number_sample_per_shard=-(-count // (2 * processes)),
        image_size=256,
        resize_mode="border" if mode == "resize" else "no",
        disable_all_reencoding=mode == "raw",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
