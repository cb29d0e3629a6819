"""PixCrawler: keywords in, a trainable image dataset out."""
