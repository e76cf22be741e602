"""The local run: this same template on an AWS of this machine's own, with WeCom and FastGPT simulated or real."""
