def pytest_configure(config):
    config.addinivalue_line("markers", "slow: models of their full size; ctest runs these under the label slow")
    config.addinivalue_line("markers", "peers: against packages that tools/check_peers.sh installs; the label peers")
